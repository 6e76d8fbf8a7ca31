// RUN: octet-opt %s -p "fuse-activation" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fuse-activation,fuse-activation" --split-input-file | filecheck %s

// A ReLU behind a convolution, a clip behind a matrix product: names are kept, ranges are those
// of the last op.
// CHECK-LABEL: @fuses
// CHECK-NEXT:   %{{.*}} = nn.conv %{{.*}}, %{{.*}} <activation = #nn.activation<relu>, {{.*}}> {absorbed = ["Relu_1"], layer = "Conv_0", range = array<f64: 0.000000e+00, 5.000000e+00>}
// CHECK-NEXT:   %{{.*}} = nn.matmul %{{.*}}, %{{.*}} <activation = #nn.activation<clip 0.0, 6.0>> {absorbed = ["Clip_3"], layer = "MatMul_2"}
// CHECK-NEXT:   func.return
func.func @fuses(%x : tensor<1x4x8x8xf32>, %w : tensor<4x4x1x1xf32>, %a : tensor<2x4xf32>, %b : tensor<4x3xf32>) -> (tensor<1x4x8x8xf32>, tensor<2x3xf32>) {
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "Conv_0", range = array<f64: -4.0, 5.0>} : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %1 = nn.relu %0 {layer = "Relu_1", range = array<f64: 0.0, 5.0>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = nn.matmul %a, %b {layer = "MatMul_2", range = array<f64: -4.0, 5.0>} : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %3 = nn.clip %2 <min = 0.0, max = 6.0> {layer = "Clip_3"} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %1, %3 : tensor<1x4x8x8xf32>, tensor<2x3xf32>
}

// -----

// The values before the activation have another use.
// CHECK-LABEL: @several_uses
// CHECK-NEXT:   nn.matmul %{{.*}}, %{{.*}} : (tensor
// CHECK-NEXT:   nn.relu
// CHECK-NEXT:   nn.neg
func.func @several_uses(%a : tensor<2x4xf32>, %b : tensor<4x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %1 = nn.relu %0 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = nn.neg %0 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %1, %2 : tensor<2x3xf32>, tensor<2x3xf32>
}

// -----

// CHECK-LABEL: @output
// CHECK-NEXT:   nn.matmul %{{.*}}, %{{.*}} : (tensor
// CHECK-NEXT:   nn.relu
func.func @output(%a : tensor<2x4xf32>, %b : tensor<4x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %1 = nn.relu %0 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %0, %1 : tensor<2x3xf32>, tensor<2x3xf32>
}

// -----

// A second activation stays, as does one on an input, one with crossed bounds, and one behind an
// op that was given another precision.
// CHECK-LABEL: @stays
// CHECK-NEXT:   nn.relu %{{.*}} : (tensor<2x4xf32>)
// CHECK-NEXT:   nn.matmul {{.*}} <activation = #nn.activation<relu>> :
// CHECK-NEXT:   nn.clip {{.*}} <max = 6.0, min = 0.0>
// CHECK-NEXT:   nn.matmul %{{.*}}, %{{.*}} : (tensor
// CHECK-NEXT:   nn.clip {{.*}} <max = 0.0, min = 1.0>
// CHECK-NEXT:   nn.matmul {{.*}} {precision = #nn<precision int8>}
// CHECK-NEXT:   nn.relu {{.*}} {precision = #nn<precision f32>}
func.func @stays(%a : tensor<2x4xf32>, %b : tensor<4x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.relu %a : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.matmul %0, %b <activation = #nn.activation<relu>> : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %2 = nn.clip %1 <min = 0.0, max = 6.0> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %3 = nn.matmul %0, %b : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %4 = nn.clip %3 <min = 1.0, max = 0.0> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %5 = nn.matmul %0, %b {precision = #nn<precision int8>} : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %6 = nn.relu %5 {precision = #nn<precision f32>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %2, %4, %6 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}
