// RUN: not octet-opt %s -p "insert-qdq,round-adaptively" 2>&1 | filecheck %s
// RUN: not octet-opt %s -p "round-adaptively{samples=-1}" 2>&1 | filecheck %s --check-prefix=SAMPLES
// RUN: octet-opt %s -p "round-adaptively" | filecheck %s --check-prefix=FLOAT
// RUN: octet-opt %s -p "insert-qdq,round-adaptively{samples=0}" | filecheck %s --check-prefix=FLOAT
// RUN: octet-opt %s -p "insert-qdq,round-adaptively{samples=0},round-adaptively{samples=0}" | filecheck %s --check-prefix=FLOAT

// The integers of a weight say which float weight they come from; how they are best rounded is seen
// on data.
// CHECK: round-adaptively: no calibration data was given; pass the inputs that `calibrate` used

// SAMPLES: round-adaptively: samples is at least 0, got -1

// Without casts, or on no samples, there is nothing to round, and no data is needed.
// FLOAT-LABEL: func.func @main
// FLOAT-NOT: rounded_adaptively
// FLOAT: nn.conv
// FLOAT-NOT: rounded_adaptively
func.func @main(%x : tensor<1x2x4x4xf32> {nn.name = "x", nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.3> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %b = nn.constant <value = dense<1.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.conv %x, %w, bias = %b <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "a", precision = #nn<precision int8>, range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  func.return %0 : tensor<1x2x4x4xf32>
}
