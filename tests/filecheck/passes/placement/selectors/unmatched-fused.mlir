// A type that is there within other ops only.
// RUN: not octet-opt %s --select "type:relu" 2>&1 | filecheck %s --strict-whitespace --check-prefix=FUSED

// FUSED: it is fused into other ops (3 in conv), which pattern(relu) selects
// FUSED-NEXT:{{^}}  type:relu
// FUSED-NEXT:{{^}}  ^^^^^^^^^{{$}}

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
