// RUN: octet-opt %s -p "fold-scale" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fold-scale,fold-scale" --split-input-file | filecheck %s

// One factor per channel, bias included; the constant may stand first.
// CHECK-LABEL: @per_channel
// CHECK-DAG:   %[[W:.*]] = nn.constant <value = dense<{{\[\[\[}}1.000000e+01]], {{\[\[}}2.000000e+01]]]> : tensor<2x1x1xf32>>
// CHECK-DAG:   %[[B:.*]] = nn.constant <value = dense<[2.000000e+00, 4.000000e+00]> : tensor<2xf32>>
// CHECK:       nn.conv %x, %[[W]], bias = %[[B]] <{{.*}}> {absorbed = ["Mul_1"], layer = "Conv_0"}
// CHECK-NEXT:  func.return
func.func @per_channel(%x : tensor<1x1x4xf32>) -> tensor<1x2x4xf32> {
  %w = nn.constant <value = dense<5.0> : tensor<2x1x1xf32>> : () -> tensor<2x1x1xf32>
  %b = nn.constant <value = dense<1.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %c = nn.constant <value = dense<[[2.0], [4.0]]> : tensor<2x1xf32>> : () -> tensor<2x1xf32>
  %0 = nn.conv %x, %w, bias = %b <strides = [1], pads = [0, 0], dilations = [1], groups = 1> {layer = "Conv_0"} : (tensor<1x1x4xf32>, tensor<2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %1 = nn.mul %c, %0 {layer = "Mul_1"} : (tensor<2x1xf32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  func.return %1 : tensor<1x2x4xf32>
}

// -----

// A number, by multiplication and division.
// CHECK-LABEL: @number
// CHECK:       %[[W:.*]] = nn.constant <value = dense<2.500000e+00> : tensor<3x2xf32>>
// CHECK-NEXT:  nn.matmul %a, %[[W]] {absorbed = ["Mul_1", "Div_2"], layer = "MatMul_0"}
// CHECK-NEXT:  func.return
func.func @number(%a : tensor<4x3xf32>) -> tensor<4x2xf32> {
  %w = nn.constant <value = dense<5.0> : tensor<3x2xf32>> : () -> tensor<3x2xf32>
  %two = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %four = nn.constant <value = dense<4.0> : tensor<1xf32>> : () -> tensor<1xf32>
  %0 = nn.matmul %a, %w {layer = "MatMul_0"} : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %1 = nn.mul %0, %two {layer = "Mul_1"} : (tensor<4x2xf32>, tensor<f32>) -> tensor<4x2xf32>
  %2 = nn.div %1, %four {layer = "Div_2"} : (tensor<4x2xf32>, tensor<1xf32>) -> tensor<4x2xf32>
  func.return %2 : tensor<4x2xf32>
}

// -----

// Along rows; a larger result; several uses; an activation before; division by zero; a constant
// divided by the product; weights that are an input; an input times a constant.
// CHECK-LABEL: @stays
// CHECK-COUNT-5: nn.mul
// CHECK-COUNT-2: nn.div
// CHECK-COUNT-2: nn.mul
func.func @stays(%a : tensor<2x3xf32>, %v : tensor<3x2xf32>) -> (tensor<2x2xf32>, tensor<1x2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x3xf32>) {
  %w = nn.constant <value = dense<5.0> : tensor<3x2xf32>> : () -> tensor<3x2xf32>
  %rows = nn.constant <value = dense<2.0> : tensor<2x1xf32>> : () -> tensor<2x1xf32>
  %larger = nn.constant <value = dense<2.0> : tensor<1x1x2xf32>> : () -> tensor<1x1x2xf32>
  %two = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %zero = nn.constant <value = dense<0.0> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.matmul %a, %w : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %1 = nn.mul %0, %rows : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %2 = nn.matmul %a, %w : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %3 = nn.mul %2, %larger : (tensor<2x2xf32>, tensor<1x1x2xf32>) -> tensor<1x2x2xf32>
  %4 = nn.matmul %a, %w : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %5 = nn.mul %4, %two : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %6 = nn.mul %4, %4 : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %7 = nn.matmul %a, %w <activation = #nn.activation<relu>> : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %8 = nn.mul %7, %two : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %9 = nn.matmul %a, %w : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %10 = nn.div %9, %zero : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %11 = nn.matmul %a, %w : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %12 = nn.div %two, %11 : (tensor<f32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %13 = nn.matmul %a, %v : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %14 = nn.mul %13, %two : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %15 = nn.mul %a, %two : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  func.return %1, %3, %5, %6, %8, %10, %12, %14, %15 : tensor<2x2xf32>, tensor<1x2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x3xf32>
}
