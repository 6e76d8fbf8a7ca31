// After fusing: ops answer to all names, and to the types within them in patterns.
// RUN: octet-opt %s \
// RUN:   --select "name:block.add" \
// RUN:   --select "glob:*.act" \
// RUN:   --select "re:.*(out|prob)" \
// RUN:   --select "pattern(relu)" \
// RUN:   --select "pattern(conv->relu->conv)" \
// RUN:   --select "pattern(conv->conv)[:, 1]" \
// RUN:   --select "pattern(transpose->add)" \
// RUN:   --select "pattern(transpose->conv)" \
// RUN:   --select "between(name:stem.act, name:block.conv1)" \
// RUN:   | filecheck %s --match-full-lines

// CHECK: name:block.add
// CHECK-NEXT: 3 conv block.conv2, block.add, block.out
// CHECK-NEXT: glob:*.act
// CHECK-NEXT: 0 conv stem.conv, stem.act
// CHECK-NEXT: 2 conv block.conv1, block.act
// CHECK-NEXT: re:.*(out|prob)
// CHECK-NEXT: 3 conv block.conv2, block.add, block.out
// CHECK-NEXT: 6 softmax prob
// CHECK-NEXT: pattern(relu)
// CHECK-NEXT: 0 conv stem.conv, stem.act
// CHECK-NEXT: 2 conv block.conv1, block.act
// CHECK-NEXT: 3 conv block.conv2, block.add, block.out
// CHECK-NEXT: pattern(conv->relu->conv)
// CHECK-NEXT: 0 conv stem.conv, stem.act
// CHECK-NEXT: 2 conv block.conv1, block.act
// CHECK-NEXT: 3 conv block.conv2, block.add, block.out
// CHECK-NEXT: pattern(conv->conv)[:, 1]
// CHECK-NEXT: 2 conv block.conv1, block.act
// CHECK-NEXT: 3 conv block.conv2, block.add, block.out
// What enters as the residual enters at the addition in the op,
// CHECK-NEXT: pattern(transpose->add)
// CHECK-NEXT: 1 transpose turn
// CHECK-NEXT: 3 conv block.conv2, block.add, block.out
// ... and not at its convolution.
// CHECK-NEXT: pattern(transpose->conv)
// CHECK-NEXT: 1 transpose turn
// CHECK-NEXT: 2 conv block.conv1, block.act
// CHECK-NEXT: between(name:stem.act, name:block.conv1)
// CHECK-NEXT: 0 conv stem.conv, stem.act
// CHECK-NEXT: 1 transpose turn
// CHECK-NEXT: 2 conv block.conv1, block.act
// CHECK-NOT: {{.}}

func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1, activation = #nn.activation<relu>> {absorbed = ["stem.act"], layer = "stem.conv"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.transpose %0 <permutation = [0, 1, 3, 2]> {layer = "turn"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.conv %1, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1, activation = #nn.activation<relu>> {absorbed = ["block.act"], layer = "block.conv1"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %3 = nn.conv %2, %w, residual = %1 <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1, activation = #nn.activation<relu>> {absorbed = ["block.add", "block.out"], layer = "block.conv2"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %4 = nn.sigmoid %3 {layer = "gate"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %5 = nn.conv %4, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "head"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %6 = nn.softmax %5 <axis = 1> {layer = "prob"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %6 : tensor<1x2x4x4xf32>
}
