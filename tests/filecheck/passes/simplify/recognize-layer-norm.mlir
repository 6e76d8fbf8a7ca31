// RUN: octet-opt %s -p "recognize-layer-norm" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "recognize-layer-norm,recognize-layer-norm" --split-input-file | filecheck %s

// As PyTorch exports it; the name and range of the last op stay.
// CHECK-LABEL: @torch
// CHECK:       nn.layer_norm %x, scale = %gamma, bias = %beta <axis = 1, epsilon = {{.*}}> {absorbed = ["ReduceMean_0", "Sub_1", "Pow_2", "ReduceMean_3", "Add_4", "Sqrt_5", "Div_6", "Mul_7"], layer = "Add_8", range = array<f64: -1.000000e+00, 1.000000e+00>}
// CHECK-NEXT:  func.return
func.func @torch(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %two = nn.constant <value = dense<2.0> : tensor<f32>> : () -> tensor<f32>
  %epsilon = nn.constant <value = dense<0.00001> : tensor<f32>> : () -> tensor<f32>
  %gamma = nn.constant <value = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>> : () -> tensor<4xf32>
  %beta = nn.constant <value = dense<[5.0, 6.0, 7.0, 8.0]> : tensor<4xf32>> : () -> tensor<4xf32>
  %0 = nn.reduce_mean %x <axes = [-1], keepdims = true> {layer = "ReduceMean_0"} : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %1 = nn.sub %x, %0 {layer = "Sub_1"} : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %2 = nn.pow %1, %two {layer = "Pow_2"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = nn.reduce_mean %2 <axes = [-1], keepdims = true> {layer = "ReduceMean_3"} : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %4 = nn.add %3, %epsilon {layer = "Add_4"} : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %5 = nn.sqrt %4 {layer = "Sqrt_5"} : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %6 = nn.div %1, %5 {layer = "Div_6"} : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %7 = nn.mul %6, %gamma {layer = "Mul_7"} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %8 = nn.add %7, %beta {layer = "Add_8", range = array<f64: -1.0, 1.0>} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return %8 : tensor<2x4xf32>
}

// -----

// Over two dimensions, a square by multiplication, two subtractions, a reciprocal; no gamma, and a
// beta with a leading 1.
// CHECK-LABEL: @variant
// CHECK:       %[[B:.*]] = nn.constant <value = dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00]]> : tensor<2x2xf32>>
// CHECK-NEXT:  nn.layer_norm %x, bias = %[[B]] <axis = 1, epsilon = 0.5>
// CHECK-NEXT:  func.return
func.func @variant(%x : tensor<3x2x2xf32>) -> tensor<3x2x2xf32> {
  %epsilon = nn.constant <value = dense<0.5> : tensor<1xf32>> : () -> tensor<1xf32>
  %beta = nn.constant <value = dense<[[[1.0, 2.0], [3.0, 4.0]]]> : tensor<1x2x2xf32>> : () -> tensor<1x2x2xf32>
  %0 = nn.reduce_mean %x <axes = [1, 2], keepdims = true> : (tensor<3x2x2xf32>) -> tensor<3x1x1xf32>
  %1 = nn.sub %x, %0 : (tensor<3x2x2xf32>, tensor<3x1x1xf32>) -> tensor<3x2x2xf32>
  %2 = nn.sub %x, %0 : (tensor<3x2x2xf32>, tensor<3x1x1xf32>) -> tensor<3x2x2xf32>
  %3 = nn.mul %1, %1 : (tensor<3x2x2xf32>, tensor<3x2x2xf32>) -> tensor<3x2x2xf32>
  %4 = nn.reduce_mean %3 <axes = [2, 1], keepdims = true> : (tensor<3x2x2xf32>) -> tensor<3x1x1xf32>
  %5 = nn.add %epsilon, %4 : (tensor<1xf32>, tensor<3x1x1xf32>) -> tensor<3x1x1xf32>
  %6 = nn.sqrt %5 : (tensor<3x1x1xf32>) -> tensor<3x1x1xf32>
  %7 = nn.reciprocal %6 : (tensor<3x1x1xf32>) -> tensor<3x1x1xf32>
  %8 = nn.mul %7, %2 : (tensor<3x1x1xf32>, tensor<3x2x2xf32>) -> tensor<3x2x2xf32>
  %9 = nn.add %beta, %8 : (tensor<1x2x2xf32>, tensor<3x2x2xf32>) -> tensor<3x2x2xf32>
  func.return %9 : tensor<3x2x2xf32>
}

// -----

// A gamma that is an input, or that varies over the batch, stays outside; so does a factor behind
// the bias, and what follows a normalization that is an output.
// CHECK-LABEL: @outside
// CHECK:       nn.layer_norm %x <axis = 1, epsilon = 1.0>
// CHECK-NEXT:  nn.mul
// CHECK-NEXT:  nn.layer_norm %x, bias = %c <axis = 1, epsilon = 1.0>
// CHECK-NEXT:  nn.mul
// CHECK-NEXT:  nn.layer_norm %x <axis = 1, epsilon = 1.0>
// CHECK-NEXT:  nn.mul
func.func @outside(%x : tensor<2x4xf32>, %g : tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %c = nn.constant <value = dense<2.0> : tensor<4xf32>> : () -> tensor<4xf32>
  %0 = nn.layer_norm %x <axis = 1, epsilon = 1.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.mul %0, %g : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %2 = nn.layer_norm %x, bias = %c <axis = 1, epsilon = 1.0> : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %3 = nn.mul %2, %c : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %4 = nn.layer_norm %x <axis = 1, epsilon = 1.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = nn.mul %4, %c : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return %1, %3, %4, %5 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// The deviation is an output.
// CHECK-LABEL: @output
// CHECK-NOT:   nn.layer_norm
func.func @output(%x : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %epsilon = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.reduce_mean %x <axes = [1], keepdims = true> : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %1 = nn.sub %x, %0 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %2 = nn.mul %1, %1 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.reduce_mean %2 <axes = [1], keepdims = true> : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %4 = nn.add %3, %epsilon : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %5 = nn.sqrt %4 : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %6 = nn.div %1, %5 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  func.return %1, %6 : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// Means over the first dimension; the mean of another value.
// CHECK-LABEL: @other_axis
// CHECK-NOT:   nn.layer_norm
func.func @other_axis(%x : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %epsilon = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.reduce_mean %x <axes = [0], keepdims = true> : (tensor<2x4xf32>) -> tensor<1x4xf32>
  %1 = nn.sub %x, %0 : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  %2 = nn.mul %1, %1 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.reduce_mean %2 <axes = [0], keepdims = true> : (tensor<2x4xf32>) -> tensor<1x4xf32>
  %4 = nn.add %3, %epsilon : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %5 = nn.sqrt %4 : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %6 = nn.div %1, %5 : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  func.return %6 : tensor<2x4xf32>
}

// -----

// CHECK-LABEL: @other_value
// CHECK-NOT:   nn.layer_norm
func.func @other_value(%x : tensor<2x4xf32>, %y : tensor<2x4xf32>) -> tensor<2x4xf32> {
  %epsilon = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.reduce_mean %y <axes = [1], keepdims = true> : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %1 = nn.sub %x, %0 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %2 = nn.mul %1, %1 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.reduce_mean %2 <axes = [1], keepdims = true> : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %4 = nn.add %3, %epsilon : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %5 = nn.sqrt %4 : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %6 = nn.div %1, %5 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  func.return %6 : tensor<2x4xf32>
}
