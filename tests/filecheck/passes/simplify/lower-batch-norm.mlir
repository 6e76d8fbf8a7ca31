// RUN: octet-opt %s -p "lower-batch-norm" | filecheck %s
// RUN: octet-opt %s -p "lower-batch-norm,lower-batch-norm" | filecheck %s

// scale 2, 4; variance + epsilon 4: factors 1 and 2, shifts 10 - 3 * factor. The second batch norm
// has a mean that is no constant, the third a variance below zero.
// CHECK-LABEL: @main
// CHECK-DAG:   %[[F:.*]] = nn.constant <value = dense<{{\[\[}}1.000000e+00], [2.000000e+00]]> : tensor<2x1xf32>>
// CHECK-DAG:   %[[S:.*]] = nn.constant <value = dense<{{\[\[}}7.000000e+00], [4.000000e+00]]> : tensor<2x1xf32>>
// CHECK:       %[[M:.*]] = nn.mul %x, %[[F]] {layer = "bn"}
// CHECK-NEXT:  nn.add %[[M]], %[[S]] {layer = "bn", range = array<f64: -1.000000e+00, 1.000000e+00>}
// CHECK-NEXT:  nn.batch_norm
// CHECK-NEXT:  nn.batch_norm
// CHECK-NEXT:  func.return
func.func @main(%x : tensor<1x2x4xf32>, %q : tensor<2xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>) {
  %scale = nn.constant <value = dense<[2.0, 4.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %bias = nn.constant <value = dense<10.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %mean = nn.constant <value = dense<3.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %variance = nn.constant <value = dense<3.5> : tensor<2xf32>> : () -> tensor<2xf32>
  %n = nn.constant <value = dense<-2.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %1 = nn.batch_norm %x, %scale, %bias, %mean, %variance <epsilon = 0.5> {layer = "bn", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %2 = nn.batch_norm %x, %scale, %bias, %q, %variance <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %3 = nn.batch_norm %x, %scale, %bias, %mean, %n <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  func.return %1, %2, %3 : tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
}
