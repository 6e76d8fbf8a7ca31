// RUN: octet-opt %s -p number-ops | filecheck %s
// RUN: octet-opt %s -p number-ops,number-ops | filecheck %s
// RUN: octet-opt %s -p "number-ops,place-precision{rules=\"index:[1:3]=f32\"}" | filecheck %s --check-prefix=SELECTED

// Constants do not count, movement ops do; an earlier number is replaced.
// CHECK-LABEL: @main
func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  // CHECK: nn.constant <{{.*}}> : () ->
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // CHECK: nn.conv {{.*}}{index = array<i64: 0>, layer = "first"}
  // SELECTED: nn.conv {{.*}}index = array<i64: 0>, layer = "first", placed_by = "int8: no calibrated range
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.transpose {{.*}}index = array<i64: 1>
  // SELECTED: nn.transpose {{.*}}index = array<i64: 1>, placed_by = "index:[1:3]=f32: user"
  %1 = nn.transpose %0 <permutation = [0, 1, 3, 2]> {index = array<i64: 7>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.relu {{.*}}index = array<i64: 2>
  // SELECTED: nn.relu {{.*}}index = array<i64: 2>, placed_by = "index:[1:3]=f32: user"
  %2 = nn.relu %1 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.sigmoid {{.*}}index = array<i64: 3>
  // SELECTED: nn.sigmoid {{.*}}index = array<i64: 3>, placed_by = "int8: no calibrated range
  %3 = nn.sigmoid %2 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %3 : tensor<1x2x4x4xf32>
}
