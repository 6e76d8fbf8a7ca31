// RUN: not octet-opt %s -p "calibrate" 2>&1 | filecheck %s
// RUN: not octet-opt %s -p "calibrate{percentile=20}" 2>&1 | filecheck %s --check-prefix=PERCENTILE

// CHECK: calibrate: no calibration data was given
// PERCENTILE: calibrate: percentile is above 50 and at most 100, got 20
func.func @main(%x : tensor<1x4xf32> {nn.name = "x"}) -> tensor<1x4xf32> {
  %0 = nn.relu %x {layer = "relu"} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  func.return %0 : tensor<1x4xf32>
}
