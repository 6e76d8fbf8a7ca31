// An op that is not there, an empty name and a type that does not exist are errors, not no-ops.
// RUN: not octet-opt %s -p "place-precision{rules=\"name:thrid=int8\"}" 2>&1 | filecheck %s --check-prefix=NAME
// RUN: not octet-opt %s -p "place-precision{rules=\"name:=int8\"}" 2>&1 | filecheck %s --check-prefix=NULL
// RUN: not octet-opt %s -p "place-precision{op-types=cnov}" 2>&1 | filecheck %s --check-prefix=TYPE

// NAME: selector 'name:thrid' matches no op
// NULL: name:
// TYPE: op-types 'cnov' matches no op; nearest: conv

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -2.1, 2.6>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.sigmoid %1 {layer = "act", range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %2 : tensor<1x2x4x4xf32>
}
