// RUN: octet-opt %s -p quantize-weights | filecheck %s
// RUN: octet-opt %s -p "quantize-weights,quantize-weights" | filecheck %s
// RUN: octet-opt %s -p "quantize-weights{symmetric=true}" | filecheck %s --check-prefix=SYMMETRIC

// CHECK-LABEL: func.func @main
// SYMMETRIC-LABEL: func.func @main
func.func @main(%x : tensor<5x3xf32> {nn.name = "x"}, %r : tensor<5x2xf32> {nn.name = "r"}, %given : tensor<3x2xf32> {nn.name = "given"}) -> (tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>) {
  // The weight stays where another op needs it.
  // CHECK: nn.constant <value = dense<{{.*}}>> {layer = "w"} : () -> tensor<3x2xf32>
  %w = nn.constant <value = dense<[[0.5, -0.25], [1.0, 0.0], [-2.0, 0.75]]> : tensor<3x2xf32>> {layer = "w"} : () -> tensor<3x2xf32>
  %b = nn.constant <value = dense<1.0> : tensor<2xf32>> : () -> tensor<2xf32>

  // Four bits: groups of 32 unless something else was said, the last padded; a zero point each.
  // CHECK: [[B:%.*]] = nn.constant <value = #nn.weight<{{.*}}>> {layer = "w"} : () -> tensor<2x1x16xui8>
  // CHECK-NEXT: [[S:%.*]] = nn.constant <{{.*}}> {layer = "w"} : () -> tensor<2x1xf32>
  // CHECK-NEXT: [[Z:%.*]] = nn.constant <{{.*}}> {layer = "w"} : () -> tensor<2x1xui8>
  // CHECK-NEXT: nn.matmul_nbits %{{.*}}, [[B]], [[S]], zero_points = [[Z]], bias = %{{.*}}, residual = %{{.*}} <activation = #nn.activation<relu>, bits = 4, block_size = 32> {index = array<i64: 3>, layer = "a", placed_by = "user", precision = #nn<precision f32>} :
  // SYMMETRIC: nn.matmul_nbits %{{[0-9a-z]+}}, %{{[0-9a-z]+}}, %{{[0-9a-z]+}}, bias = {{.*}}layer = "a"
  %0 = nn.matmul %x, %w, bias = %b, residual = %r <activation = #nn.activation<relu>> {layer = "a", index = array<i64: 3>, placed_by = "user", precision = #nn<precision f32>, linear_format = #nn.linear_format<weights = "int4">} : (tensor<5x3xf32>, tensor<3x2xf32>, tensor<2xf32>, tensor<5x2xf32>) -> tensor<5x2xf32>

  // Eight bits: one symmetric group for a whole column.
  // CHECK: nn.matmul_nbits %{{[0-9a-z]+}}, %{{[0-9a-z]+}}, %{{[0-9a-z]+}} <bits = 8, block_size = 3> {layer = "c"} : (tensor<5x3xf32>, tensor<2x1x3xui8>, tensor<2x1xf32>) -> tensor<5x2xf32>
  %1 = nn.matmul %x, %w {layer = "c", linear_format = #nn.linear_format<weights = "int8">} : (tensor<5x3xf32>, tensor<3x2xf32>) -> tensor<5x2xf32>

  // No format, dynamic activations, or a weight that is no constant: nothing happens.
  // CHECK: nn.matmul {{.*}}layer = "none"
  %2 = nn.matmul %x, %w {layer = "none"} : (tensor<5x3xf32>, tensor<3x2xf32>) -> tensor<5x2xf32>
  // CHECK: nn.matmul {{.*}}layer = "dynamic"
  %3 = nn.matmul %x, %w {layer = "dynamic", linear_format = #nn.linear_format<activations = "dynamic">} : (tensor<5x3xf32>, tensor<3x2xf32>) -> tensor<5x2xf32>
  // CHECK: nn.matmul {{.*}}layer = "given"
  %4 = nn.matmul %x, %given {layer = "given", linear_format = #nn.linear_format<weights = "int4">} : (tensor<5x3xf32>, tensor<3x2xf32>) -> tensor<5x2xf32>
  func.return %0, %1, %2, %3, %4 : tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>
}
