// By type, in the spelling of the dialect, of ONNX, or of PyTorch.
// RUN: octet-opt %s \
// RUN:   --select "type:conv" \
// RUN:   --select "type:conv2d" \
// RUN:   --select "type:Conv" \
// RUN:   --select "type:Softmax" \
// RUN:   | filecheck %s --match-full-lines

// CHECK: type:conv
// CHECK-NEXT: 0 conv stem.conv
// CHECK-NEXT: 3 conv block.conv1
// CHECK-NEXT: 5 conv block.conv2
// CHECK-NEXT: 9 conv head
// CHECK-NEXT: type:conv2d
// CHECK-NEXT: 0 conv stem.conv
// CHECK-NEXT: 3 conv block.conv1
// CHECK-NEXT: 5 conv block.conv2
// CHECK-NEXT: 9 conv head
// CHECK-NEXT: type:Conv
// CHECK-NEXT: 0 conv stem.conv
// CHECK-NEXT: 3 conv block.conv1
// CHECK-NEXT: 5 conv block.conv2
// CHECK-NEXT: 9 conv head
// CHECK-NEXT: type:Softmax
// CHECK-NEXT: 10 softmax prob
// CHECK-NOT: {{.}}

func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "stem.conv"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.relu %0 {layer = "stem.act"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.transpose %1 <permutation = [0, 1, 3, 2]> {layer = "turn"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %3 = nn.conv %2, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "block.conv1"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %4 = nn.relu %3 {layer = "block.act"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %5 = nn.conv %4, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "block.conv2"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %6 = nn.add %5, %2 {layer = "block.add"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %7 = nn.relu %6 {layer = "block.out"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %8 = nn.sigmoid %7 {layer = "gate"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %9 = nn.conv %8, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "head"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %10 = nn.softmax %9 <axis = 1> {layer = "prob"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %10 : tensor<1x2x4x4xf32>
}
