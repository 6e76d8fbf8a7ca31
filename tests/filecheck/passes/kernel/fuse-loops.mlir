// RUN: octet-opt %s -p "fuse-loops{min-elements=4}" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fuse-loops{min-elements=4},fuse-loops{min-elements=4}" --split-input-file | filecheck %s

// A chain is one loop, which answers to all names. What others use is a result too.
// CHECK-LABEL: func.func @chain
// CHECK-NEXT: kernel.map (%{{[a-z0-9]+}}, %{{[a-z0-9]+}}) <scalars = [0.5]> {absorbed = ["first", "fused", "second"], layer = "third"} : (memref<4x8xf32, #kernel.buffer<dense>>, memref<8xf32, #kernel.buffer<dense>>) -> (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x8xf32, #kernel.buffer<dense>>) {
// CHECK: [[SUM:%[a-z0-9]+]] = arith.addf
// CHECK-NOT: kernel.call
// CHECK: kernel.yield [[SUM]], %{{.*}} : f32, f32
func.func @chain(%x : memref<4x8xf32, #kernel.buffer<dense>>, %y : memref<8xf32, #kernel.buffer<dense>>) -> (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x8xf32, #kernel.buffer<dense>>) {
  %0 = kernel.call "add" (lhs = %x, rhs = %y) {layer = "first", absorbed = ["fused"]} : (memref<4x8xf32, #kernel.buffer<dense>>, memref<8xf32, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  %1 = kernel.call "silu" (x = %0) {layer = "second"} : (memref<4x8xf32, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  %2 = kernel.call "leaky_relu" (x = %1) <alpha = 0.5> {layer = "third"} : (memref<4x8xf32, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  func.return %0, %2 : memref<4x8xf32, #kernel.buffer<dense>>, memref<4x8xf32, #kernel.buffer<dense>>
}

// -----

// Residual, normalization and quantization are one loop over rows.
// CHECK-LABEL: func.func @rows
// CHECK-NEXT: kernel.reduce (%{{.*}}) <axis = 1, scalars = [1.0e-05]> {absorbed = ["res"], layer = "norm", precision = #nn<precision f32>} : {{.*}} -> (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>) {
// CHECK-COUNT-2: kernel.fold "add"
// CHECK: kernel.yield [[Y:%[a-z0-9]+]], [[Y]] : f32, f32
// CHECK-NOT: kernel.call
func.func @rows(%x : memref<4x8xf32, #kernel.buffer<dense>>, %r : memref<4x8xf32, #kernel.buffer<dense>>) -> (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>) {
  %0 = kernel.call "add" (lhs = %x, rhs = %r) {layer = "res"} : (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x8xf32, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  %1 = kernel.call "layer_norm" (x = %0) <axis = -1, epsilon = 1.0e-05> {layer = "norm", precision = #nn<precision f32>} : (memref<4x8xf32, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  %2 = kernel.call "quantize" (x = %1) : (memref<4x8xf32, #kernel.buffer<dense>>) -> memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>
  func.return %1, %2 : memref<4x8xf32, #kernel.buffer<dense>>, memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>
}

// -----

// A reduction, and what is computed once per row. What the dequantize gave is not stored.
// CHECK-LABEL: func.func @scaled
// CHECK-NEXT: kernel.reduce (%{{[a-z0-9]+}}) <axis = 1> : (memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>> {
// CHECK: math.sqrt
// CHECK-NOT: kernel.call
func.func @scaled(%x : memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>> {
  %0 = kernel.call "dequantize" (x = %x) : (memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  %1 = kernel.call "mul" (lhs = %0, rhs = %0) : (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x8xf32, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  %2 = kernel.call "reduce_mean" (x = %1) <axes = [1], keepdims = true> : (memref<4x8xf32, #kernel.buffer<dense>>) -> memref<4x1xf32, #kernel.buffer<dense>>
  %3 = kernel.call "sqrt" (x = %2) : (memref<4x1xf32, #kernel.buffer<dense>>) -> memref<4x1xf32, #kernel.buffer<dense>>
  %4 = kernel.call "div" (lhs = %0, rhs = %3) : (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x1xf32, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  func.return %4 : memref<4x8xf32, #kernel.buffer<dense>>
}

// -----

// One call is no chain, other shapes and orders are no common loop, integers have kernels of
// their own, and rows are the last dimensions of dense buffers.
// CHECK-LABEL: func.func @apart
// CHECK-NOT: kernel.map
// CHECK-NOT: kernel.reduce
func.func @apart(%x : memref<1x4x2x2xf32, #kernel.buffer<dense>>, %i : memref<4x8xi32, #kernel.buffer<dense>>) -> (memref<1x4x2x2xf32, #kernel.buffer<nhwc>>, memref<4x8xi32, #kernel.buffer<dense>>, memref<1x4x2x2xf32, #kernel.buffer<dense>>) {
  %0 = kernel.call "relu" (x = %x) : (memref<1x4x2x2xf32, #kernel.buffer<dense>>) -> memref<1x4x2x2xf32, #kernel.buffer<dense>>
  %1 = kernel.call "reduce_max" (x = %0) <axes = [1], keepdims = true> : (memref<1x4x2x2xf32, #kernel.buffer<dense>>) -> memref<1x1x2x2xf32, #kernel.buffer<dense>>
  %2 = kernel.call "sub" (lhs = %x, rhs = %1) : (memref<1x4x2x2xf32, #kernel.buffer<dense>>, memref<1x1x2x2xf32, #kernel.buffer<dense>>) -> memref<1x4x2x2xf32, #kernel.buffer<dense>>
  %3 = kernel.call "softmax" (x = %2) <axis = 1> : (memref<1x4x2x2xf32, #kernel.buffer<dense>>) -> memref<1x4x2x2xf32, #kernel.buffer<dense>>
  %4 = kernel.call "neg" (x = %3) : (memref<1x4x2x2xf32, #kernel.buffer<dense>>) -> memref<1x4x2x2xf32, #kernel.buffer<nhwc>>
  %5 = kernel.call "abs" (x = %i) : (memref<4x8xi32, #kernel.buffer<dense>>) -> memref<4x8xi32, #kernel.buffer<dense>>
  %6 = kernel.call "neg" (x = %5) : (memref<4x8xi32, #kernel.buffer<dense>>) -> memref<4x8xi32, #kernel.buffer<dense>>
  func.return %4, %6, %2 : memref<1x4x2x2xf32, #kernel.buffer<nhwc>>, memref<4x8xi32, #kernel.buffer<dense>>, memref<1x4x2x2xf32, #kernel.buffer<dense>>
}

// -----

// A matrix product needs the first result before the last op of the chain, which depends on it.
// CHECK-LABEL: func.func @between
// CHECK: kernel.call "abs"
// CHECK: kernel.call "matmul"
// CHECK: kernel.map {{.*}} {absorbed = ["a"], layer = "b"}
func.func @between(%x : memref<4x4xf32, #kernel.buffer<dense>>, %w : memref<4x4xf32, #kernel.buffer<dense>>) -> memref<4x4xf32, #kernel.buffer<dense>> {
  %0 = kernel.call "abs" (x = %x) : (memref<4x4xf32, #kernel.buffer<dense>>) -> memref<4x4xf32, #kernel.buffer<dense>>
  %1 = kernel.call "matmul" (a = %0, b = %w) : (memref<4x4xf32, #kernel.buffer<dense>>, memref<4x4xf32, #kernel.buffer<dense>>) -> memref<4x4xf32, #kernel.buffer<dense>>
  %2 = kernel.call "add" (lhs = %0, rhs = %1) {layer = "a"} : (memref<4x4xf32, #kernel.buffer<dense>>, memref<4x4xf32, #kernel.buffer<dense>>) -> memref<4x4xf32, #kernel.buffer<dense>>
  %3 = kernel.call "neg" (x = %2) {layer = "b"} : (memref<4x4xf32, #kernel.buffer<dense>>) -> memref<4x4xf32, #kernel.buffer<dense>>
  func.return %3 : memref<4x4xf32, #kernel.buffer<dense>>
}

// -----

// Below the least size nothing is worth compiling.
// CHECK-LABEL: func.func @small
// CHECK-NOT: kernel.map
func.func @small(%x : memref<3xf32, #kernel.buffer<dense>>) -> memref<3xf32, #kernel.buffer<dense>> {
  %0 = kernel.call "abs" (x = %x) : (memref<3xf32, #kernel.buffer<dense>>) -> memref<3xf32, #kernel.buffer<dense>>
  %1 = kernel.call "exp" (x = %0) : (memref<3xf32, #kernel.buffer<dense>>) -> memref<3xf32, #kernel.buffer<dense>>
  func.return %1 : memref<3xf32, #kernel.buffer<dense>>
}

// -----

// A long body is a loop even alone, a short one is not.
// CHECK-LABEL: func.func @alone
// CHECK-NEXT: kernel.map {{.*}} {layer = "gelu"}
// CHECK: kernel.call "abs"
func.func @alone(%x : memref<8xf32, #kernel.buffer<dense>>) -> (memref<8xf32, #kernel.buffer<dense>>, memref<8xf32, #kernel.buffer<dense>>) {
  %0 = kernel.call "gelu" (x = %x) <approximate = "none"> {layer = "gelu"} : (memref<8xf32, #kernel.buffer<dense>>) -> memref<8xf32, #kernel.buffer<dense>>
  %1 = kernel.call "abs" (x = %x) : (memref<8xf32, #kernel.buffer<dense>>) -> memref<8xf32, #kernel.buffer<dense>>
  func.return %0, %1 : memref<8xf32, #kernel.buffer<dense>>, memref<8xf32, #kernel.buffer<dense>>
}

// -----

// What a kernel would have stored in 16 bits is rounded to them before it is used. A maximum has
// nothing to round, and casts between floats are part of the loop.
// CHECK-LABEL: func.func @half
// CHECK-NEXT: kernel.map (%{{[a-z0-9]+}}, %{{[a-z0-9]+}}) {{.*}} : (memref<8xbf16, #kernel.buffer<dense>>, memref<8xbf16, #kernel.buffer<dense>>) -> memref<8xf32, #kernel.buffer<dense>> {
// CHECK: ([[X:%[a-z0-9]+]]: f32, [[Y:%[a-z0-9]+]]: f32):
// CHECK-NEXT: [[MAX:%[a-z0-9]+]] = arith.maximumf [[X]], [[Y]] : f32
// CHECK-NEXT: [[SUM:%[a-z0-9]+]] = arith.addf [[MAX]], [[Y]] : f32
// CHECK-NEXT: [[HALF:%[a-z0-9]+]] = arith.truncf [[SUM]] : f32 to bf16
// CHECK-NEXT: [[WIDE:%[a-z0-9]+]] = arith.extf [[HALF]] : bf16 to f32
// CHECK-NEXT: kernel.yield [[WIDE]] : f32
func.func @half(%x : memref<8xbf16, #kernel.buffer<dense>>, %y : memref<8xbf16, #kernel.buffer<dense>>) -> memref<8xf32, #kernel.buffer<dense>> {
  %0 = kernel.call "max" (lhs = %x, rhs = %y) {layer = "max"} : (memref<8xbf16, #kernel.buffer<dense>>, memref<8xbf16, #kernel.buffer<dense>>) -> memref<8xbf16, #kernel.buffer<dense>>
  %1 = kernel.call "add" (lhs = %0, rhs = %y) {layer = "add"} : (memref<8xbf16, #kernel.buffer<dense>>, memref<8xbf16, #kernel.buffer<dense>>) -> memref<8xbf16, #kernel.buffer<dense>>
  %2 = kernel.call "cast" (x = %1) : (memref<8xbf16, #kernel.buffer<dense>>) -> memref<8xf32, #kernel.buffer<dense>>
  func.return %2 : memref<8xf32, #kernel.buffer<dense>>
}

// -----

// A cast of integers has a kernel of its own.
// CHECK-LABEL: func.func @whole
// CHECK: kernel.call "cast"
// CHECK-NEXT: kernel.call "abs"
func.func @whole(%x : memref<8xi32, #kernel.buffer<dense>>) -> memref<8xf32, #kernel.buffer<dense>> {
  %0 = kernel.call "cast" (x = %x) : (memref<8xi32, #kernel.buffer<dense>>) -> memref<8xf32, #kernel.buffer<dense>>
  %1 = kernel.call "abs" (x = %0) : (memref<8xf32, #kernel.buffer<dense>>) -> memref<8xf32, #kernel.buffer<dense>>
  func.return %1 : memref<8xf32, #kernel.buffer<dense>>
}
