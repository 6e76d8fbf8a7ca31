// RUN: octet-opt %s -p "fold-batch-norm" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fold-batch-norm,fold-batch-norm" --split-input-file | filecheck %s

// scale 2, 4; variance + epsilon 4: factors 1 and 2. Bias (1 - mean 3) * factor + 10.
// CHECK-LABEL: @conv
// CHECK-DAG:   %[[W:.*]] = nn.constant <value = dense<{{\[\[\[}}5.000000e+00]], {{\[\[}}1.000000e+01]]]> : tensor<2x1x1xf32>>
// CHECK-DAG:   %[[B:.*]] = nn.constant <value = dense<[8.000000e+00, 6.000000e+00]> : tensor<2xf32>>
// CHECK:       %[[Y:.*]] = nn.conv %x, %[[W]], bias = %[[B]] <{{.*}}> {absorbed = ["BatchNormalization_1"], layer = "Conv_0", range = array<f64: -1.000000e+00, 1.000000e+00>}
// CHECK-NEXT:  func.return %[[Y]]
func.func @conv(%x : tensor<1x1x4xf32>) -> tensor<1x2x4xf32> {
  %w = nn.constant <value = dense<5.0> : tensor<2x1x1xf32>> : () -> tensor<2x1x1xf32>
  %b = nn.constant <value = dense<1.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %scale = nn.constant <value = dense<[2.0, 4.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %bias = nn.constant <value = dense<10.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %mean = nn.constant <value = dense<3.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %variance = nn.constant <value = dense<3.5> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.conv %x, %w, bias = %b <strides = [1], pads = [0, 0], dilations = [1], groups = 1> {layer = "Conv_0", range = array<f64: -9.0, 9.0>} : (tensor<1x1x4xf32>, tensor<2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %1 = nn.batch_norm %0, %scale, %bias, %mean, %variance <epsilon = 0.5> {layer = "BatchNormalization_1", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  func.return %1 : tensor<1x2x4xf32>
}

// -----

// A transposed convolution holds its output channels in dimension 1, per group.
// CHECK-LABEL: @conv_transpose
// CHECK-DAG:   nn.constant <value = dense<{{\[\[\[}}5.000000e+00]], {{\[\[}}1.000000e+01]]]> : tensor<2x1x1xf32>>
// CHECK-DAG:   nn.constant <value = dense<[7.000000e+00, 4.000000e+00]> : tensor<2xf32>>
// CHECK:       nn.conv_transpose %x, %{{.*}}, bias = %{{.*}}
// CHECK-NEXT:  func.return
func.func @conv_transpose(%x : tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w = nn.constant <value = dense<5.0> : tensor<2x1x1xf32>> : () -> tensor<2x1x1xf32>
  %scale = nn.constant <value = dense<[2.0, 4.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %bias = nn.constant <value = dense<10.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %mean = nn.constant <value = dense<3.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %variance = nn.constant <value = dense<3.5> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.conv_transpose %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 2, output_padding = [0]> : (tensor<1x2x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4xf32>
  %1 = nn.batch_norm %0, %scale, %bias, %mean, %variance <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  func.return %1 : tensor<1x2x4xf32>
}

// -----

// The channels of a matrix product are its last dimension: folds in two dimensions, not in three.
// CHECK-LABEL: @matmul
// CHECK:       nn.matmul %a, %{{.*}}, bias = %{{.*}} :
// CHECK-NEXT:  nn.matmul %c, %{{.*}} : (tensor<1x2x3xf32>
// CHECK-NEXT:  nn.batch_norm
func.func @matmul(%a : tensor<4x3xf32>, %c : tensor<1x2x3xf32>) -> (tensor<4x2xf32>, tensor<1x2x2xf32>) {
  %w = nn.constant <value = dense<5.0> : tensor<3x2xf32>> : () -> tensor<3x2xf32>
  %p = nn.constant <value = dense<2.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.matmul %a, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %1 = nn.batch_norm %0, %p, %p, %p, %p <epsilon = 0.5> : (tensor<4x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %2 = nn.matmul %c, %w : (tensor<1x2x3xf32>, tensor<3x2xf32>) -> tensor<1x2x2xf32>
  %3 = nn.batch_norm %2, %p, %p, %p, %p <epsilon = 0.5> : (tensor<1x2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>
  func.return %1, %3 : tensor<4x2xf32>, tensor<1x2x2xf32>
}

// -----

// Several uses, an output, an activation, weights or parameters that are inputs, a negative
// variance (not finite), and a batch norm before its convolution.
// CHECK-LABEL: @stays
// CHECK-COUNT-7: nn.batch_norm
// CHECK-NOT: bias =
func.func @stays(%x : tensor<1x2x4xf32>, %v : tensor<2x2x1xf32>, %q : tensor<2xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>) {
  %w = nn.constant <value = dense<5.0> : tensor<2x2x1xf32>> : () -> tensor<2x2x1xf32>
  %p = nn.constant <value = dense<2.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %n = nn.constant <value = dense<-2.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.conv %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %1 = nn.batch_norm %0, %p, %p, %p, %p <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %2 = nn.add %0, %x : (tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %3 = nn.conv %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %4 = nn.batch_norm %3, %p, %p, %p, %p <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %5 = nn.conv %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1, activation = #nn.activation<relu>> : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %6 = nn.batch_norm %5, %p, %p, %p, %p <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %7 = nn.conv %x, %v <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %8 = nn.batch_norm %7, %p, %p, %p, %p <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %9 = nn.conv %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %10 = nn.batch_norm %9, %p, %p, %q, %p <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %11 = nn.conv %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %12 = nn.batch_norm %11, %p, %p, %p, %n <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %13 = nn.batch_norm %x, %p, %p, %p, %p <epsilon = 0.5> : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %14 = nn.conv %13, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  func.return %1, %2, %3, %4, %6, %8, %10, %12, %14 : tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
}
