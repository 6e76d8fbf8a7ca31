// RUN: octet-opt %s -p "recognize-hard-sigmoid" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "recognize-hard-sigmoid,recognize-hard-sigmoid" --split-input-file | filecheck %s

// clip(x + 3, 0, 6) / 6, the division as a multiplication, and clip(x * 0.2 + 0.5, 0, 1).
// CHECK-LABEL: @recognizes
// CHECK:       nn.hard_sigmoid %x <alpha = 0.16666666666666666, beta = 0.5> {absorbed = ["Add_0", "Clip_1"], layer = "Div_2"}
// CHECK-NEXT:  nn.hard_sigmoid %x <alpha = 0.1666666{{.*}}, beta = 0.5
// CHECK-NEXT:  nn.hard_sigmoid %x <alpha = 0.2{{.*}}, beta = 0.5>
// CHECK-NEXT:  func.return
func.func @recognizes(%x : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %three = nn.constant <value = dense<3.0> : tensor<f32>> : () -> tensor<f32>
  %six = nn.constant <value = dense<6.0> : tensor<f32>> : () -> tensor<f32>
  %sixth = nn.constant <value = dense<0.166666672> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %a = nn.constant <value = dense<0.2> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.add %x, %three {layer = "Add_0"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = nn.clip %0 <min = 0.0, max = 6.0> {layer = "Clip_1"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.div %1, %six {layer = "Div_2"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = nn.add %three, %x : (tensor<f32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.clip %3 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = nn.mul %4, %sixth : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %6 = nn.mul %x, %a : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %7 = nn.add %6, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %8 = nn.clip %7 <min = 0.0, max = 1.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %2, %5, %8 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// A ReLU6 that is scaled, a clip to one, another slope, other bounds, other uses, an output.
// CHECK-LABEL: @stays
// CHECK-NOT:   nn.hard_sigmoid
func.func @stays(%x : tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %three = nn.constant <value = dense<3.0> : tensor<f32>> : () -> tensor<f32>
  %six = nn.constant <value = dense<6.0> : tensor<f32>> : () -> tensor<f32>
  %sixth = nn.constant <value = dense<0.166666672> : tensor<f32>> : () -> tensor<f32>
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %a = nn.constant <value = dense<0.2> : tensor<f32>> : () -> tensor<f32>
  %q = nn.constant <value = dense<0.3> : tensor<f32>> : () -> tensor<f32>
  %0 = nn.clip %x <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.div %0, %six : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %2 = nn.clip %x <min = 0.0, max = 1.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = nn.mul %x, %q : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %4 = nn.add %3, %half : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %5 = nn.clip %4 <min = 0.0, max = 1.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %6 = nn.add %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %7 = nn.clip %6 <min = -1.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %8 = nn.div %7, %six : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %9 = nn.add %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %10 = nn.clip %9 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %11 = nn.div %10, %six : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %12 = nn.neg %10 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %13 = nn.add %x, %three : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %14 = nn.clip %13 <min = 0.0, max = 6.0> : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %15 = nn.div %14, %six : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  func.return %1, %2, %5, %8, %11, %12, %13, %15 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
