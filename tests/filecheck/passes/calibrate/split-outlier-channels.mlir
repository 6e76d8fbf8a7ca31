// RUN: not octet-opt %s -p "split-outlier-channels" 2>&1 | filecheck %s
// RUN: not octet-opt %s -p "split-outlier-channels{channels=0}" 2>&1 | filecheck %s --check-prefix=CHANNELS
// RUN: not octet-opt %s -p "split-outlier-channels{samples=-1}" 2>&1 | filecheck %s --check-prefix=SAMPLES
// RUN: octet-opt %s -p "split-outlier-channels{samples=0}" | filecheck %s --check-prefix=WHOLE
// RUN: octet-opt %s -p "split-outlier-channels{samples=0},split-outlier-channels{samples=0}" | filecheck %s --check-prefix=WHOLE

// Which channels are outliers is seen on data.
// CHECK: split-outlier-channels: no calibration data was given; pass the inputs that `calibrate` used

// CHANNELS: split-outlier-channels: channels is at least 1, got 0
// SAMPLES: split-outlier-channels: samples is at least 0, got -1

// Turned off it needs no data.
// WHOLE-LABEL: func.func @main
// WHOLE:       nn.matmul
// WHOLE-NEXT:  nn.gelu
// WHOLE:       nn.matmul
// WHOLE-NOT:   nn.matmul
func.func @main(%x : tensor<1x2x4xf32> {nn.name = "x"}) -> tensor<1x2x4xf32> {
  %up = nn.constant <value = dense<0.3> : tensor<4x32xf32>> : () -> tensor<4x32xf32>
  %0 = nn.matmul %x, %up : (tensor<1x2x4xf32>, tensor<4x32xf32>) -> tensor<1x2x32xf32>
  %1 = nn.gelu %0 <approximate = "none"> : (tensor<1x2x32xf32>) -> tensor<1x2x32xf32>
  %down = nn.constant <value = dense<0.3> : tensor<32x4xf32>> : () -> tensor<32x4xf32>
  %2 = nn.matmul %1, %down : (tensor<1x2x32xf32>, tensor<32x4xf32>) -> tensor<1x2x4xf32>
  func.return %2 : tensor<1x2x4xf32>
}
