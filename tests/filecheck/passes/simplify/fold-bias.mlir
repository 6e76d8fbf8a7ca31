// RUN: octet-opt %s -p "fold-bias" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fold-bias,fold-bias" --split-input-file | filecheck %s

// Constants of a matrix product: [N] on either side, [1, N] on top of the one before, a number
// subtracted. The weight is an input.
// CHECK-LABEL: @matmul
// CHECK:       %[[B:.*]] = nn.constant <value = dense<[3.500000e+00, 5.500000e+00]> : tensor<2xf32>>
// CHECK-NEXT:  nn.matmul %a, %v, bias = %[[B]] {absorbed = ["Add_1", "Add_2", "Sub_3"], layer = "MatMul_0"}
// CHECK-NEXT:  func.return
func.func @matmul(%a : tensor<1x4x3xf32>, %v : tensor<3x2xf32>) -> tensor<1x4x2xf32> {
  %c = nn.constant <value = dense<[1.0, 2.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %d = nn.constant <value = dense<[[3.0, 4.0]]> : tensor<1x2xf32>> : () -> tensor<1x2xf32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.matmul %a, %v {layer = "MatMul_0"} : (tensor<1x4x3xf32>, tensor<3x2xf32>) -> tensor<1x4x2xf32>
  %1 = nn.add %c, %0 {layer = "Add_1"} : (tensor<2xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32>
  %2 = nn.add %1, %d {layer = "Add_2"} : (tensor<1x4x2xf32>, tensor<1x2xf32>) -> tensor<1x4x2xf32>
  %3 = nn.sub %2, %half {layer = "Sub_3"} : (tensor<1x4x2xf32>, tensor<f32>) -> tensor<1x4x2xf32>
  func.return %3 : tensor<1x4x2xf32>
}

// -----

// CHECK-LABEL: @conv
// CHECK:       %[[B:.*]] = nn.constant <value = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>>
// CHECK-NEXT:  nn.conv %x, %w, bias = %[[B]] <
// CHECK-NEXT:  func.return
func.func @conv(%x : tensor<1x1x4xf32>, %w : tensor<2x1x1xf32>) -> tensor<1x2x4xf32> {
  %c = nn.constant <value = dense<[[[1.0], [2.0]]]> : tensor<1x2x1xf32>> : () -> tensor<1x2x1xf32>
  %0 = nn.conv %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x1x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4xf32>
  %1 = nn.add %0, %c : (tensor<1x2x4xf32>, tensor<1x2x1xf32>) -> tensor<1x2x4xf32>
  func.return %1 : tensor<1x2x4xf32>
}

// -----

// Along rows; along the width of a convolution; a bias that is an input; a residual before; an
// output; constant minus product; two inputs.
// CHECK-LABEL: @stays
// CHECK-COUNT-5: nn.add
// CHECK: nn.sub
// CHECK: nn.add
func.func @stays(%a : tensor<2x3xf32>, %v : tensor<3x2xf32>, %q : tensor<2xf32>, %r : tensor<2x2xf32>, %x : tensor<1x1x2xf32>, %w : tensor<2x1x1xf32>) -> (tensor<2x2xf32>, tensor<1x2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %rows = nn.constant <value = dense<2.0> : tensor<2x1xf32>> : () -> tensor<2x1xf32>
  %c = nn.constant <value = dense<2.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.matmul %a, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %1 = nn.add %0, %rows : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %2 = nn.conv %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x1x2xf32>, tensor<2x1x1xf32>) -> tensor<1x2x2xf32>
  %3 = nn.add %2, %c : (tensor<1x2x2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>
  %4 = nn.matmul %a, %v, bias = %q : (tensor<2x3xf32>, tensor<3x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %5 = nn.add %4, %c : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %6 = nn.matmul %a, %v, residual = %r : (tensor<2x3xf32>, tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %7 = nn.add %6, %c : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %8 = nn.matmul %a, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %9 = nn.add %8, %c : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %10 = nn.matmul %a, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %11 = nn.sub %c, %10 : (tensor<2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %12 = nn.add %r, %q : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  func.return %1, %3, %5, %7, %8, %9, %11, %12 : tensor<2x2xf32>, tensor<1x2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}
