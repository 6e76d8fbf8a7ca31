// RUN: octet-opt %s -p "place-precision" | filecheck %s
// RUN: octet-opt %s -p "place-precision,place-precision" | filecheck %s
// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"name:second=int8\"}" | filecheck %s --check-prefix=NAMED
// RUN: octet-opt %s -p "place-precision{op-types=conv,softmax rules=\"index:conv[0]=f32\"}" | filecheck %s --check-prefix=RULES
// RUN: not octet-opt %s -p "place-precision{rules=\"name:secnod=f32\"}" 2>&1 | filecheck %s --check-prefix=ERROR

// ERROR: selector 'name:secnod' matches no op; nearest: second

// CHECK-LABEL: @main
func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %v = nn.constant <value = dense<0.5> : tensor<1x2x1x1xf32>> : () -> tensor<1x2x1x1xf32>
  // CHECK: nn.conv {{.*}}layer = "first", placed_by = "default: conv has int8 arithmetic", precision = #nn<precision int8>
  // NAMED: nn.conv {{.*}}layer = "first", placed_by = "default: precision=f32", precision = #nn<precision f32>
  // RULES: nn.conv {{.*}}layer = "first", placed_by = "index:conv[0]=f32: user", precision = #nn<precision f32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.sigmoid {{.*}}placed_by = "default: sigmoid has int8 arithmetic", precision = #nn<precision int8>
  // RULES: nn.sigmoid {{.*}}placed_by = "op-types: sigmoid is not listed", precision = #nn<precision f32>
  %1 = nn.sigmoid %0 {range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // Movement follows its neighbours.
  // CHECK: nn.transpose %{{.*}} <permutation = [0, 1, 3, 2]> {range
  %2 = nn.transpose %1 <permutation = [0, 1, 3, 2]> {range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}precision = #nn<precision int8>
  %3 = nn.conv %2, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "third", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.mul {{.*}}placed_by = "int8: operand rhs of mul is a constant tensor", precision = #nn<precision f32>
  %4 = nn.mul %3, %v {range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.softmax {{.*}}placed_by = "int8: softmax has no int8 form", precision = #nn<precision f32>
  // RULES: nn.softmax {{.*}}placed_by = "int8: softmax has no int8 form", precision = #nn<precision f32>
  %5 = nn.softmax %4 <axis = 1> : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // Its only user is the output: no int8 behind it.
  // CHECK: nn.relu {{.*}}placed_by = "neighbours: no int8 op uses the result of relu", precision = #nn<precision f32>
  %6 = nn.relu %3 {range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // NAMED: nn.conv {{.*}}layer = "second", placed_by = "int8: no calibrated range on operand x (asked for by name:second=int8: user)"
  // CHECK: nn.conv {{.*}}layer = "second", placed_by = "int8: no calibrated range on operand x", precision = #nn<precision f32>
  %7 = nn.conv %5, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %6, %7 : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}
