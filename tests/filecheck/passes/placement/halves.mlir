// RUN: octet-opt %s -p "place-precision{precision=bf16}" | filecheck %s
// RUN: octet-opt %s -p "place-precision{precision=bf16},place-precision{precision=bf16}" | filecheck %s
// RUN: octet-opt %s -p "place-precision{precision=f16 rules=\"type:transpose=f32\"}" | filecheck %s --check-prefix=F16
// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"type:conv=bf16\",\"name:second=f16\"}" | filecheck %s --check-prefix=MIXED

// CHECK-LABEL: @main
func.func @main(%x : tensor<1x2x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %v = nn.constant <value = dense<100000.0> : tensor<1x2x1x1xf32>> : () -> tensor<1x2x1x1xf32>
  // An input of the program is float32, and nothing before the first convolution is worth a cast.
  // CHECK: nn.neg {{.*}}placed_by = "neighbours: no operand of neg comes from a bf16 op", precision = #nn<precision f32>
  %n = nn.neg %x : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "first", placed_by = "default: conv has bf16 arithmetic", precision = #nn<precision bf16>
  // MIXED: nn.conv {{.*}}layer = "first", placed_by = "type:conv=bf16: user", precision = #nn<precision bf16>
  %0 = nn.conv %n, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.softmax {{.*}}precision = #nn<precision bf16>
  // MIXED: nn.softmax {{.*}}placed_by = "default: precision=f32", precision = #nn<precision f32>
  %1 = nn.softmax %0 <axis = 1> : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.transpose %{{.*}} <permutation = [0, 1, 3, 2]> :
  // F16: nn.transpose {{.*}}placed_by = "type:transpose=f32: user", precision = #nn<precision f32>
  %2 = nn.transpose %1 <permutation = [0, 1, 3, 2]> : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // 100000 is beyond float16.
  // CHECK: nn.mul {{.*}}precision = #nn<precision bf16>
  // F16: nn.mul {{.*}}placed_by = "f16: operand rhs exceeds the range of f16", precision = #nn<precision f32>
  %3 = nn.mul %2, %v : (tensor<1x2x4x4xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.exp {{.*}}placed_by = "bf16: no bf16 kernel for exp", precision = #nn<precision f32>
  %4 = nn.exp %0 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "second", {{.*}}precision = #nn<precision bf16>
  // MIXED: nn.conv {{.*}}layer = "second", placed_by = "name:second=f16: user", precision = #nn<precision f16>
  %5 = nn.conv %3, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}placed_by = "bf16: the result exceeds bf16", precision = #nn<precision f32>
  // F16: nn.conv {{.*}}placed_by = "f16: the result exceeds f16", precision = #nn<precision f32>
  %6 = nn.conv %4, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {range = array<f64: 0.0, 3.4e38>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.relu {{.*}}placed_by = "neighbours: no bf16 op uses the result of relu", precision = #nn<precision f32>
  %7 = nn.relu %5 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %6, %7 : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}
