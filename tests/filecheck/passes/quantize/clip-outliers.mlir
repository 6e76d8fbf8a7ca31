// RUN: not octet-opt %s -p "insert-qdq,clip-outliers" 2>&1 | filecheck %s
// RUN: not octet-opt %s -p "clip-outliers{samples=-1}" 2>&1 | filecheck %s --check-prefix=SAMPLES
// RUN: octet-opt %s -p "clip-outliers" | filecheck %s --check-prefix=FLOAT
// RUN: octet-opt %s -p "insert-qdq,clip-outliers{samples=0}" | filecheck %s --check-prefix=FLOAT

// What cutting off costs the results of layers is seen on data.
// CHECK: clip-outliers: no calibration data was given; pass the inputs that `calibrate` used

// SAMPLES: clip-outliers: samples is at least 0, got -1

// Without casts, or on no samples, there is nothing to clip, and no data is needed.
// FLOAT-LABEL: func.func @main
// FLOAT-NOT: clipped
// FLOAT: nn.conv
// FLOAT-NOT: clipped
func.func @main(%x : tensor<1x2x4x4xf32> {nn.name = "x", nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.3> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %b = nn.constant <value = dense<1.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.conv %x, %w, bias = %b <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "a", precision = #nn<precision int8>, range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  func.return %0 : tensor<1x2x4x4xf32>
}
