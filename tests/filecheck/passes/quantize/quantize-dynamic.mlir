// RUN: octet-opt %s -p quantize-dynamic | filecheck %s
// RUN: octet-opt %s -p "quantize-dynamic,quantize-dynamic" | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x : tensor<5x3xf32> {nn.name = "x"}, %given : tensor<3x2xf32> {nn.name = "given"}) -> (tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>) {
  %w = nn.constant <value = dense<[[0.5, -0.25], [1.0, 0.0], [-2.0, 0.75]]> : tensor<3x2xf32>> {layer = "w"} : () -> tensor<3x2xf32>
  %b = nn.constant <value = dense<1.0> : tensor<2xf32>> : () -> tensor<2xf32>

  // Symmetric int8 weights, a scale per column; what the op was called and how it was placed stays.
  // CHECK: [[Q:%.*]] = nn.constant <{{.*}}> {layer = "w", origin = #nn.weight<{{.*}}>} : () -> tensor<3x2x!quant.uniform<i8<-127:127>:f32:1, {0.01574803{{[0-9]*}}, 0.00590551{{[0-9]*}}}>>
  // CHECK-NEXT: nn.matmul_dynamic %{{.*}}, [[Q]], bias = %{{.*}} <activation = #nn.activation<relu>> {index = array<i64: 3>, layer = "a", placed_by = "user", precision = #nn<precision int8>} :
  %0 = nn.matmul %x, %w, bias = %b <activation = #nn.activation<relu>> {layer = "a", index = array<i64: 3>, placed_by = "user", precision = #nn<precision int8>, linear_format = #nn.linear_format<activations = "dynamic">} : (tensor<5x3xf32>, tensor<3x2xf32>, tensor<2xf32>) -> tensor<5x2xf32>

  // No format, weights alone, or a weight that is no constant: nothing happens.
  // CHECK: nn.matmul {{.*}}layer = "none"
  %1 = nn.matmul %x, %w {layer = "none"} : (tensor<5x3xf32>, tensor<3x2xf32>) -> tensor<5x2xf32>
  // CHECK: nn.matmul {{.*}}layer = "weights"
  %2 = nn.matmul %x, %w {layer = "weights", linear_format = #nn.linear_format<weights = "int4">} : (tensor<5x3xf32>, tensor<3x2xf32>) -> tensor<5x2xf32>
  // CHECK: nn.matmul {{.*}}layer = "given"
  %3 = nn.matmul %x, %given {layer = "given", linear_format = #nn.linear_format<activations = "dynamic">} : (tensor<5x3xf32>, tensor<3x2xf32>) -> tensor<5x2xf32>
  func.return %0, %1, %2, %3 : tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>
}
