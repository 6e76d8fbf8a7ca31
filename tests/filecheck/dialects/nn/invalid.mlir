// RUN: octet-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// The textual form.

// CHECK: nn.matmul has 1 operand(s) too many; optional operands are written `name = %value`
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.matmul %a, %a, %a : (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: nn.matmul needs operand 'b'
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.matmul %a : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: nn.relu has no operand 'bias'
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.relu %a, bias = %a : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: nn.add has 2 operands but 1 operand types
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.add %a, %a : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: nn.topk has 2 result(s) but 1 result type(s)
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.topk %a <k = 1, axis = 0, largest = true, sorted = true> : (tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return
}

// -----

// CHECK: property 'axis' is given twice
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.softmax %a <axis = 0, axis = 1> : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: property 'axis' expected in operation 'nn.softmax'
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.softmax %a : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// Attributes.

// CHECK: a fused clamp needs low <= high, got 1.0 and 0.0
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.matmul %a, %a <activation = #nn.activation<clip 1.0, 0.0>> : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: a weight handle is 64 hex digits of sha256, got 'abc'
func.func @main() {
  %0 = nn.constant <value = #nn.weight<"abc">> : () -> tensor<2xf32>
  func.return
}

// -----

// CHECK: conv1: 'range' needs a low and a high per result
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.relu %a {layer = "conv1", range = array<f64: 1.0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// Shapes: the op is named by the layer it came from.

// CHECK: Relu_3: result 0 of nn.relu has shape [2, 3], but its operands and options give [2, 2]
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.relu %a {layer = "Relu_3"} : (tensor<2x2xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// CHECK: do not broadcast
func.func @main(%a : tensor<2x2xf32>, %b : tensor<3xf32>) {
  %0 = nn.add %a, %b : (tensor<2x2xf32>, tensor<3xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: conv: x has 3 channels, the weight [4, 4, 1] with 1 group(s) expects 4
func.func @main(%x : tensor<1x3x8xf32>, %w : tensor<4x4x1xf32>) {
  %0 = nn.conv %x, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x3x8xf32>, tensor<4x4x1xf32>) -> tensor<1x4x8xf32>
  func.return
}

// -----

// CHECK: pads [0, 0] should have 4 entries
func.func @main(%x : tensor<1x4x8x8xf32>, %w : tensor<4x4x1x1xf32>) {
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0], dilations = [1, 1], groups = 1> : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  func.return
}

// -----

// CHECK: Conv_0: the bias of nn.conv has shape [3], expected [4]
func.func @main(%x : tensor<1x4x8xf32>, %w : tensor<4x4x1xf32>, %b : tensor<3xf32>) {
  %0 = nn.conv %x, %w, bias = %b <strides = [1], pads = [0, 0], dilations = [1], groups = 1> {layer = "Conv_0"} : (tensor<1x4x8xf32>, tensor<4x4x1xf32>, tensor<3xf32>) -> tensor<1x4x8xf32>
  func.return
}

// -----

// CHECK: the residual of nn.matmul has shape [1, 2], the result [2, 2]
func.func @main(%a : tensor<2x2xf32>, %r : tensor<1x2xf32>) {
  %0 = nn.matmul %a, %a, residual = %r : (tensor<2x2xf32>, tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: matmul_nbits: K = 5 in blocks of 4 weights of 4 bits is b [N, 2, 2], got [3, 2, 4]
func.func @main(%a : tensor<2x5xf32>, %b : tensor<3x2x4xui8>, %s : tensor<3x2xf32>) {
  %0 = nn.matmul_nbits %a, %b, %s <bits = 4, block_size = 4> : (tensor<2x5xf32>, tensor<3x2x4xui8>, tensor<3x2xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// CHECK: matmul_nbits: a block of 3 weights of 4 bits is no whole number of bytes
func.func @main(%a : tensor<2x3xf32>, %b : tensor<3x1x1xui8>, %s : tensor<3x1xf32>) {
  %0 = nn.matmul_nbits %a, %b, %s <bits = 4, block_size = 3> : (tensor<2x3xf32>, tensor<3x1x1xui8>, tensor<3x1xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// CHECK: nn.matmul_nbits has zero points [3, 1] for scales [3, 2]
func.func @main(%a : tensor<2x4xf32>, %b : tensor<3x2x1xui8>, %s : tensor<3x2xf32>, %z : tensor<3x1xui8>) {
  %0 = nn.matmul_nbits %a, %b, %s, zero_points = %z <bits = 4, block_size = 2> : (tensor<2x4xf32>, tensor<3x2x1xui8>, tensor<3x2xf32>, tensor<3x1xui8>) -> tensor<2x3xf32>
  func.return
}

// -----

// CHECK: operand b of nn.matmul_dynamic is quantized to signed bytes with zero point 0, with one scale or one per column (axis 1), not !quant.uniform<i8:f32, 0.1:3>
func.func @main(%a : tensor<2x2xf32>, %b : tensor<2x2x!quant.uniform<i8:f32, 0.1:3>>) {
  %0 = nn.matmul_dynamic %a, %b : (tensor<2x2xf32>, tensor<2x2x!quant.uniform<i8:f32, 0.1:3>>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: #nn.linear_format: 'group_size' needs 'weights' beside it
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.matmul %a, %a {linear_format = #nn.linear_format<group_size = 32>} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: matmul: inner sizes of [2, 3] and [2, 3] differ
func.func @main(%a : tensor<2x3xf32>) {
  %0 = nn.matmul %a, %a : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// CHECK: does not fit in [4] with pads
func.func @main(%x : tensor<1x1x4xf32>) {
  %0 = nn.max_pool %x <kernel = [5], strides = [1], pads = [0, 0], dilations = [1], ceil_mode = false> : (tensor<1x1x4xf32>) -> tensor<1x1x1xf32>
  func.return
}

// -----

// CHECK: cannot reshape
func.func @main(%a : tensor<2x3xf32>) {
  %0 = nn.reshape %a <shape = [4, -1]> : (tensor<2x3xf32>) -> tensor<4x1xf32>
  func.return
}

// -----

// CHECK: copies a dimension that [2, 3] lacks
func.func @main(%a : tensor<2x3xf32>) {
  %0 = nn.reshape %a <shape = [-4, -1]> : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// CHECK: [0, 0] is no permutation of 2 dimensions
func.func @main(%a : tensor<2x3xf32>) {
  %0 = nn.transpose %a <permutation = [0, 0]> : (tensor<2x3xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: nn.concat needs at least one operand
func.func @main() {
  %0 = nn.concat <axis = 0> : () -> tensor<2xf32>
  func.return
}

// -----

// CHECK: concat along 0: [2, 3] and [2, 2] differ
func.func @main(%a : tensor<2x3xf32>, %b : tensor<2x2xf32>) {
  %0 = nn.concat %a, %b <axis = 0> : (tensor<2x3xf32>, tensor<2x2xf32>) -> tensor<4x3xf32>
  func.return
}

// -----

// CHECK: slice of [2, 3] needs a start, end and step per dimension
func.func @main(%a : tensor<2x3xf32>) {
  %0 = nn.slice %a <starts = [0], ends = [1], steps = [1]> : (tensor<2x3xf32>) -> tensor<1x3xf32>
  func.return
}

// -----

// CHECK: slice: a step of zero
func.func @main(%a : tensor<2xf32>) {
  %0 = nn.slice %a <starts = [0], ends = [1], steps = [0]> : (tensor<2xf32>) -> tensor<1xf32>
  func.return
}

// -----

// CHECK: pad mode is constant, reflect, edge or wrap, got 'mirror'
func.func @main(%a : tensor<2xf32>) {
  %0 = nn.pad %a <mode = "mirror", pads = [1, 1], value = 0.0> : (tensor<2xf32>) -> tensor<4xf32>
  func.return
}

// -----

// CHECK: approximate is "none" or "tanh", got "erf"
func.func @main(%a : tensor<2xf32>) {
  %0 = nn.gelu %a <approximate = "erf"> : (tensor<2xf32>) -> tensor<2xf32>
  func.return
}

// -----

// CHECK: topk: k = 3 of 2 elements
func.func @main(%a : tensor<2xf32>) {
  %0, %1 = nn.topk %a <k = 3, axis = 0, largest = true, sorted = true> : (tensor<2xf32>) -> (tensor<3xf32>, tensor<3xi64>)
  func.return
}

// -----

// CHECK: axis 2 is out of range for 2 dimension(s)
func.func @main(%a : tensor<2x2xf32>) {
  %0 = nn.reduce_mean %a <axes = [2], keepdims = true> : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}

// -----

// Constants.

// CHECK: nn.constant holds #nn.weight<..> or dense<..>, got "text"
func.func @main() {
  %0 = nn.constant <value = "text"> : () -> tensor<2xf32>
  func.return
}

// -----

// CHECK: nn.constant of type tensor<2xf32> holds elements of tensor<3xf32>
func.func @main() {
  %0 = nn.constant <value = dense<1.0> : tensor<3xf32>> : () -> tensor<2xf32>
  func.return
}

// -----

// CHECK: a quantized nn.constant holds #nn.weight<..>, not dense<..>
func.func @main() {
  %0 = nn.constant <value = dense<1> : tensor<2xi8>> : () -> tensor<2x!quant.uniform<i8:f32, 0.1>>
  func.return
}

// -----

// Quantized values.

// CHECK: nn.softmax has no integer form but touches quantized tensors; dequantize first
func.func @main(%q : tensor<2x!quant.uniform<u8:f32, 0.1>>) {
  %0 = nn.softmax %q <axis = 0> : (tensor<2x!quant.uniform<u8:f32, 0.1>>) -> tensor<2x!quant.uniform<u8:f32, 0.1>>
  func.return
}

// -----

// CHECK: precision f32 does not fit quantized operands of nn.add
func.func @main(%q : tensor<2x!quant.uniform<u8:f32, 0.1>>) {
  %0 = nn.add %q, %q {precision = #nn<precision f32>} : (tensor<2x!quant.uniform<u8:f32, 0.1>>, tensor<2x!quant.uniform<u8:f32, 0.1>>) -> tensor<2x!quant.uniform<u8:f32, 0.1>>
  func.return
}

// -----

// CHECK: nn.reshape moves stored integers, so operands and result need one quantized type
func.func @main(%q : tensor<2x!quant.uniform<u8:f32, 0.1>>) {
  %0 = nn.reshape %q <shape = [2, 1]> : (tensor<2x!quant.uniform<u8:f32, 0.1>>) -> tensor<2x1x!quant.uniform<u8:f32, 0.2>>
  func.return
}

// -----

// CHECK: nn.concat moves stored integers, so operands and result need one quantized type
func.func @main(%q : tensor<2x!quant.uniform<u8:f32, 0.1>>, %r : tensor<2x!quant.uniform<u8:f32, 0.1:1>>) {
  %0 = nn.concat %q, %r <axis = 0> : (tensor<2x!quant.uniform<u8:f32, 0.1>>, tensor<2x!quant.uniform<u8:f32, 0.1:1>>) -> tensor<4x!quant.uniform<u8:f32, 0.1>>
  func.return
}

// -----

// CHECK: only nearest resize works on quantized values
func.func @main(%q : tensor<1x1x2x2x!quant.uniform<u8:f32, 0.1>>) {
  %0 = nn.resize %q <mode = "linear", coordinate_transformation = "half_pixel", nearest_mode = "floor", cubic_coeff = -0.75, exclude_outside = false, extrapolation_value = 0.0, scales = [1.0, 1.0, 2.0, 2.0]> : (tensor<1x1x2x2x!quant.uniform<u8:f32, 0.1>>) -> tensor<1x1x4x4x!quant.uniform<u8:f32, 0.1>>
  func.return
}

// -----

// CHECK: nn.lookup indexes its table with quantized values, got tensor<2xf32>
func.func @main(%x : tensor<2xf32>) {
  %0 = nn.lookup %x <table = #nn.weight<"0000000000000000000000000000000000000000000000000000000000000000">> : (tensor<2xf32>) -> tensor<2xf32>
  func.return
}

// -----

// CHECK: nn.add of these operands gives elements of f32, not i32
func.func @main(%x : tensor<2xf32>) {
  %0 = nn.add %x, %x : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xi32>
  func.return
}

// -----

// CHECK: nn.add of quantized operands gives quantized values, f32, bf16, f16, or indices, not ui8
func.func @main(%q : tensor<2x!quant.uniform<u8:f32, 0.1>>) {
  %0 = nn.add %q, %q : (tensor<2x!quant.uniform<u8:f32, 0.1>>, tensor<2x!quant.uniform<u8:f32, 0.1>>) -> tensor<2xui8>
  func.return
}

// -----

// CHECK: the variance of nn.batch_norm has shape [2], expected [3]
func.func @main(%x : tensor<1x3x2x2xf32>, %p : tensor<3xf32>, %v : tensor<2xf32>) {
  %0 = nn.batch_norm %x, %p, %p, %p, %v <epsilon = 0.1> : (tensor<1x3x2x2xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2xf32>) -> tensor<1x3x2x2xf32>
  func.return
}

// -----

// CHECK: nn.neg: dimension 0 has 2 indices but the type has 3 scales
func.func @main(%x : tensor<2x!quant.uniform<u8:f32:0, {0.1, 0.2, 0.3}>>) {
  %0 = nn.neg %x : (tensor<2x!quant.uniform<u8:f32:0, {0.1, 0.2, 0.3}>>) -> tensor<2x!quant.uniform<u8:f32, 0.1>>
  func.return
}

// -----

// CHECK: operand weight of nn.conv on bf16 is bf16, not f32
func.func @main(%x : tensor<1x2x4x4xbf16>, %w : tensor<2x2x1x1xf32>) {
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> : (tensor<1x2x4x4xbf16>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xbf16>
  func.return
}

// -----

// CHECK: operand residual of nn.matmul on bf16 is f32, not bf16
func.func @main(%a : tensor<2x2xbf16>) {
  %0 = nn.matmul %a, %a, residual = %a : (tensor<2x2xbf16>, tensor<2x2xbf16>, tensor<2x2xbf16>) -> tensor<2x2xf32>
  func.return
}

// -----

// CHECK: nn.matmul on f16 gives f16 or f32, not bf16
func.func @main(%a : tensor<2x2xf16>) {
  %0 = nn.matmul %a, %a : (tensor<2x2xf16>, tensor<2x2xf16>) -> tensor<2x2xbf16>
  func.return
}

// -----

// CHECK: qkv: attention: 5 heads do not divide 12 and 12 columns
func.func @main(%x : tensor<2x5x12xf32>) {
  %0 = nn.attention %x, %x, %x <heads = 5, scale = 0.5> {layer = "qkv"} : (tensor<2x5x12xf32>, tensor<2x5x12xf32>, tensor<2x5x12xf32>) -> tensor<2x5x12xf32>
  func.return
}

// -----

// CHECK: attention: a mask [2, 1, 5, 1] does not fit scores [2, 3, 5, 5]
func.func @main(%x : tensor<2x5x12xf32>, %m : tensor<2x1x5x1xf32>) {
  %0 = nn.attention %x, %x, %x, mask = %m <heads = 3, scale = 0.5> : (tensor<2x5x12xf32>, tensor<2x5x12xf32>, tensor<2x5x12xf32>, tensor<2x1x5x1xf32>) -> tensor<2x5x12xf32>
  func.return
}

// -----

// CHECK: attention: q [2, 5, 12], k [2, 4, 12] and v [2, 5, 12] do not belong together
func.func @main(%x : tensor<2x5x12xf32>, %y : tensor<2x4x12xf32>) {
  %0 = nn.attention %x, %y, %x <heads = 3, scale = 0.5> : (tensor<2x5x12xf32>, tensor<2x4x12xf32>, tensor<2x5x12xf32>) -> tensor<2x5x12xf32>
  func.return
}

// -----

// CHECK: it has 4 entries, but 5 are asked for
func.func @main(%x : tensor<4x3xf32>, %like : tensor<2x5xf32>) {
  %0 = nn.crop %x, %like <shape = [-5, 3]> : (tensor<4x3xf32>, tensor<2x5xf32>) -> tensor<5x3xf32>
  func.return
}

// -----

// CHECK: crop of [4, 3] needs 2 sizes, got [-4]
func.func @main(%x : tensor<4x3xf32>, %like : tensor<2x5xf32>) {
  %0 = nn.crop %x, %like <shape = [-4]> : (tensor<4x3xf32>, tensor<2x5xf32>) -> tensor<2xf32>
  func.return
}
