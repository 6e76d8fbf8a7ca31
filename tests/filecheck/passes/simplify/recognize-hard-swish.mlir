// RUN: octet-opt %s -p "recognize-hard-swish" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "recognize-hard-swish,recognize-hard-swish" --split-input-file | filecheck %s

// x * clip(x + 3, 0, 6) / 6 in every association, and with a hard sigmoid.
// CHECK-LABEL: @recognizes
// CHECK:       nn.hard_swish %x {absorbed = ["Add_0", "Clip_1", "Mul_2"], layer = "Div_3"}
// CHECK-NEXT:  nn.hard_swish %x :
// CHECK-NEXT:  nn.hard_swish %x :
// CHECK-NEXT:  nn.hard_swish %x :
// CHECK-NEXT:  nn.hard_swish %x :
// CHECK-NEXT:  func.return
func.func @recognizes(%x : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %three = nn.constant <value = dense<3.0> : tensor<f32>> : () -> tensor<f32>
  %six = nn.constant <value = dense<6.0> : tensor<f32>> : () -> tensor<f32>
  %sixth = nn.constant <value = dense<0.166666672> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %a = nn.constant <value = dense<0.2> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.add %x, %three {layer = "Add_0"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.clip %0 <min = 0.0, max = 6.0> {layer = "Clip_1"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.mul %x, %1 {layer = "Mul_2"} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.div %2, %six {layer = "Div_3"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %4 = nn.add %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %5 = nn.clip %4 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %6 = nn.div %5, %six : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %7 = nn.mul %x, %6 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %8 = nn.add %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %9 = nn.clip %8 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %10 = nn.mul %x, %sixth : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %11 = nn.mul %9, %10 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %12 = nn.add %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %13 = nn.clip %12 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %14 = nn.mul %13, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %15 = nn.mul %sixth, %14 : (tensor<f32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %16 = nn.hard_sigmoid %x <alpha = 0.16666667, beta = 0.5> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %17 = nn.mul %16, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %3, %7, %11, %15, %17 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// A gate of another value, no division, another slope, another use, an output.
// CHECK-LABEL: @stays
// CHECK-NOT:   nn.hard_swish
func.func @stays(%x : tensor<2x4xf32>, %y : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %three = nn.constant <value = dense<3.0> : tensor<f32>> : () -> tensor<f32>
  %six = nn.constant <value = dense<6.0> : tensor<f32>> : () -> tensor<f32>
  %sixth = nn.constant <value = dense<0.166666672> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %a = nn.constant <value = dense<0.2> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.add %y, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.clip %0 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.mul %x, %1 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.div %2, %six : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %4 = nn.add %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %5 = nn.clip %4 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %6 = nn.mul %x, %5 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %7 = nn.hard_sigmoid %x <alpha = 0.2, beta = 0.5> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %8 = nn.mul %7, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %9 = nn.add %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %10 = nn.clip %9 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %11 = nn.mul %x, %10 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %12 = nn.div %11, %six : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %13 = nn.neg %10 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %14 = nn.hard_sigmoid %x <alpha = 0.16666667, beta = 0.5> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %15 = nn.mul %14, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %3, %6, %8, %12, %13, %14, %15 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
