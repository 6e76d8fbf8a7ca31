// RUN: octet-opt %s -p "sink-transposes" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "sink-transposes,sink-transposes" --split-input-file | filecheck %s

// Channels-last between two convolutions: a unary op, a constant per channel, a pad.
// CHECK-LABEL: @between_convolutions
// CHECK:       nn.conv
// CHECK-NEXT:  %[[R:.*]] = nn.relu %{{.*}} : (tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32>
// CHECK-NEXT:  %[[C:.*]] = nn.constant <value = dense<{{\[\[\[\[}}1.000000e+00]], {{\[\[}}2.000000e+00]]]]> : tensor<1x2x1x1xf32>>
// CHECK-NEXT:  %[[M:.*]] = nn.mul %[[R]], %[[C]]
// CHECK-NEXT:  %[[P:.*]] = nn.pad %[[M]] <mode = "constant", pads = [0, 0, 1, 2, 0, 0, 3, 4], value = 0.0>
// CHECK-NEXT:  nn.conv %[[P]]
// CHECK-NEXT:  func.return
func.func @between_convolutions(%x : tensor<1x2x3x4xf32>, %w : tensor<2x2x1x1xf32>) -> tensor<1x2x7x10xf32> {
  %c = nn.constant <value = dense<[1.0, 2.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> : (tensor<1x2x3x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x3x4xf32>
  %1 = nn.transpose %0 <permutation = [0, 2, 3, 1]> : (tensor<1x2x3x4xf32>) -> tensor<1x3x4x2xf32>
  %2 = nn.relu %1 : (tensor<1x3x4x2xf32>) -> tensor<1x3x4x2xf32>
  %3 = nn.mul %2, %c : (tensor<1x3x4x2xf32>, tensor<2xf32>) -> tensor<1x3x4x2xf32>
  %4 = nn.pad %3 <mode = "constant", pads = [0, 1, 2, 0, 0, 3, 4, 0], value = 0.0> : (tensor<1x3x4x2xf32>) -> tensor<1x7x10x2xf32>
  %5 = nn.transpose %4 <permutation = [0, 3, 1, 2]> : (tensor<1x7x10x2xf32>) -> tensor<1x2x7x10xf32>
  %6 = nn.conv %5, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> : (tensor<1x2x7x10xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x7x10xf32>
  func.return %6 : tensor<1x2x7x10xf32>
}

// -----

// A residual block: the shortcut is transposed for the convolution, and the addition uses that.
// One transpose is left at each edge.
// CHECK-LABEL: @residual
// CHECK-NEXT:  %[[X:.*]] = nn.transpose %x
// CHECK-NEXT:  %[[Y:.*]] = nn.conv %[[X]]
// CHECK-NEXT:  %[[S:.*]] = nn.add %[[Y]], %[[X]]
// CHECK-NEXT:  %[[R:.*]] = nn.relu %[[S]]
// CHECK-NEXT:  %[[Z:.*]] = nn.conv %[[R]]
// CHECK-NEXT:  %[[T:.*]] = nn.add %[[Z]], %[[R]]
// CHECK-NEXT:  nn.transpose %[[T]]
// CHECK-NEXT:  func.return
func.func @residual(%x : tensor<1x3x4x2xf32>, %w : tensor<2x2x1x1xf32>) -> tensor<1x3x4x2xf32> {
  %0 = nn.transpose %x <permutation = [0, 3, 1, 2]> : (tensor<1x3x4x2xf32>) -> tensor<1x2x3x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> : (tensor<1x2x3x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x3x4xf32>
  %2 = nn.transpose %1 <permutation = [0, 2, 3, 1]> : (tensor<1x2x3x4xf32>) -> tensor<1x3x4x2xf32>
  %3 = nn.add %2, %x : (tensor<1x3x4x2xf32>, tensor<1x3x4x2xf32>) -> tensor<1x3x4x2xf32>
  %4 = nn.relu %3 : (tensor<1x3x4x2xf32>) -> tensor<1x3x4x2xf32>
  %5 = nn.transpose %4 <permutation = [0, 3, 1, 2]> : (tensor<1x3x4x2xf32>) -> tensor<1x2x3x4xf32>
  %6 = nn.conv %5, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> : (tensor<1x2x3x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x3x4xf32>
  %7 = nn.transpose %6 <permutation = [0, 2, 3, 1]> : (tensor<1x2x3x4xf32>) -> tensor<1x3x4x2xf32>
  %8 = nn.add %7, %4 : (tensor<1x3x4x2xf32>, tensor<1x3x4x2xf32>) -> tensor<1x3x4x2xf32>
  func.return %8 : tensor<1x3x4x2xf32>
}

// -----

// Axes are renumbered: concat, slice, softmax, reductions that keep dimensions and that drop them.
// CHECK-LABEL: @axes
// CHECK-DAG:   nn.concat %x, %y <axis = 1>
// CHECK-DAG:   nn.slice %x <ends = [9223372036854775807, 2, 3, 4], starts = [0, 1, 0, 1], steps = [1, 1, 1, 1]>
// CHECK-DAG:   nn.softmax %x <axis = 1>
// CHECK-DAG:   nn.reduce_mean %x <axes = [2, 3], keepdims = true> : (tensor<1x2x3x4xf32>) -> tensor<1x2x1x1xf32>
// CHECK-DAG:   nn.reduce_mean %x <axes = [2, 3], keepdims = false> : (tensor<1x2x3x4xf32>) -> tensor<1x2xf32>
// CHECK-DAG:   nn.reduce_max %x <axes = [3], keepdims = false> : (tensor<1x2x3x4xf32>) -> tensor<1x2x3xf32>
// CHECK-DAG:   nn.transpose %{{.*}} <permutation = [0, 2, 1]> : (tensor<1x2x3xf32>) -> tensor<1x3x2xf32>
func.func @axes(%x : tensor<1x2x3x4xf32>, %y : tensor<1x2x3x4xf32>) -> (tensor<1x3x4x4xf32>, tensor<1x3x3x1xf32>, tensor<1x3x4x2xf32>, tensor<1x1x1x2xf32>, tensor<1x2xf32>, tensor<1x3x2xf32>) {
  %0 = nn.transpose %x <permutation = [0, 2, 3, 1]> : (tensor<1x2x3x4xf32>) -> tensor<1x3x4x2xf32>
  %1 = nn.transpose %y <permutation = [0, 2, 3, 1]> : (tensor<1x2x3x4xf32>) -> tensor<1x3x4x2xf32>
  %2 = nn.concat %0, %1 <axis = -1> : (tensor<1x3x4x2xf32>, tensor<1x3x4x2xf32>) -> tensor<1x3x4x4xf32>
  %3 = nn.slice %0 <starts = [0, 0, 1, 1], ends = [9223372036854775807, 3, 4, 2], steps = [1, 1, 1, 1]> : (tensor<1x3x4x2xf32>) -> tensor<1x3x3x1xf32>
  %4 = nn.softmax %0 <axis = 3> : (tensor<1x3x4x2xf32>) -> tensor<1x3x4x2xf32>
  %5 = nn.reduce_mean %0 <axes = [1, 2], keepdims = true> : (tensor<1x3x4x2xf32>) -> tensor<1x1x1x2xf32>
  %6 = nn.reduce_mean %0 <axes = [-2, -3], keepdims = false> : (tensor<1x3x4x2xf32>) -> tensor<1x2xf32>
  %7 = nn.reduce_max %0 <axes = [2], keepdims = false> : (tensor<1x3x4x2xf32>) -> tensor<1x3x2xf32>
  func.return %2, %3, %4, %5, %6, %7 : tensor<1x3x4x4xf32>, tensor<1x3x3x1xf32>, tensor<1x3x4x2xf32>, tensor<1x1x1x2xf32>, tensor<1x2xf32>, tensor<1x3x2xf32>
}

// -----

// Through the casts of the quant dialect; a per-channel axis moves along.
// CHECK-LABEL: @quantized
// CHECK-NEXT:  %[[Q:.*]] = quant.qcast %x : tensor<2x3xf32> -> tensor<2x3x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %[[Q]]
// CHECK-NEXT:  nn.transpose %[[D]] <permutation = [1, 0]> {layer = "Transpose_0"}
// CHECK-NEXT:  func.return
func.func @quantized(%x : tensor<2x3xf32>) -> tensor<3x2xf32> {
  %0 = nn.transpose %x <permutation = [1, 0]> {layer = "Transpose_0"} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = quant.qcast %0 : tensor<3x2xf32> -> tensor<3x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>
  %2 = quant.dcast %1 : tensor<3x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>> -> tensor<3x2xf32>
  func.return %2 : tensor<3x2xf32>
}

// -----

// Different permutations; an operand that would need a transpose of its own; a transpose that is
// an output; ops whose dimensions have fixed meanings; an inverse transpose that comes too late.
// CHECK-LABEL: @stays
// CHECK-NEXT:  %[[A:.*]] = nn.transpose %x <permutation = [0, 2, 1]>
// CHECK-NEXT:  %[[B:.*]] = nn.transpose %x <permutation = [2, 1, 0]>
// CHECK-NEXT:  nn.add %[[A]], %[[B]]
// CHECK-NEXT:  %[[C:.*]] = nn.transpose %x
// CHECK-NEXT:  nn.mul %[[C]], %y
// CHECK-NEXT:  %[[D:.*]] = nn.transpose %x
// CHECK-NEXT:  nn.relu %[[D]]
// CHECK-NEXT:  %[[E:.*]] = nn.transpose %x
// CHECK-NEXT:  nn.max_pool %[[E]]
// CHECK-NEXT:  nn.transpose %y
// CHECK-NEXT:  func.return
func.func @stays(%x : tensor<2x2x2xf32>, %y : tensor<2x2x2xf32>) -> (tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>) {
  %0 = nn.transpose %x <permutation = [0, 2, 1]> : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %1 = nn.transpose %x <permutation = [2, 1, 0]> : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %2 = nn.add %0, %1 : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %3 = nn.transpose %x <permutation = [0, 2, 1]> : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %4 = nn.mul %3, %y : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %5 = nn.transpose %x <permutation = [0, 2, 1]> : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %6 = nn.relu %5 : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %7 = nn.transpose %x <permutation = [0, 2, 1]> : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %8 = nn.max_pool %7 <kernel = [1], strides = [1], pads = [0, 0], dilations = [1], ceil_mode = false> : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %9 = nn.transpose %y <permutation = [0, 2, 1]> : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  func.return %2, %4, %5, %6, %8, %9 : tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>
}

// -----

// The transpose that would have to be there for the other operand is the one that would go.
// CHECK-LABEL: @of_itself
// CHECK-NEXT:  %[[T:.*]] = nn.transpose %x <permutation = [1, 0]>
// CHECK-NEXT:  nn.add %[[T]], %x
func.func @of_itself(%x : tensor<2x2xf32>) -> tensor<2x2xf32> {
  %0 = nn.transpose %x <permutation = [1, 0]> : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = nn.add %0, %x : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %1 : tensor<2x2xf32>
}
