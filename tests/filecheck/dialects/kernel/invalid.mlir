// RUN: octet-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @unknown(%0 : memref<4xf32>) {
  %1 = kernel.call "relou" (x = %0) : (memref<4xf32>) -> memref<4xf32>
  func.return
}
// CHECK: there is no kernel named 'relou'; did you mean relu

// -----

func.func @operands(%0 : memref<1x1x4x4xf32>) {
  %1 = kernel.call "conv" (x = %0) <dilations = [1, 1], groups = 1, pads = [0, 0, 0, 0], strides = [1, 1]> : (memref<1x1x4x4xf32>) -> memref<1x1x4x4xf32>
  func.return
}
// CHECK: kernel conv takes operands (x, weight), optionally (bias, residual), in this order; got (x)

// -----

func.func @order(%0 : memref<1x1x4x4xf32>, %w : memref<1x1x1x1xf32>) {
  %1 = kernel.call "conv" (weight = %w, x = %0) <dilations = [1, 1], groups = 1, pads = [0, 0, 0, 0], strides = [1, 1]> : (memref<1x1x1x1xf32>, memref<1x1x4x4xf32>) -> memref<1x1x4x4xf32>
  func.return
}
// CHECK: in this order; got (weight, x)

// -----

func.func @options(%0 : memref<4xf32>) {
  %1 = kernel.call "softmax" (x = %0) <axes = [0]> {layer = "prob"} : (memref<4xf32>) -> memref<4xf32>
  func.return
}
// CHECK: prob: kernel softmax takes options ['axis'] and optionally []; got ['axes']

// -----

func.func @shape(%0 : memref<4x8xf32>) {
  %1 = kernel.call "transpose" (x = %0) <permutation = [1, 0]> {layer = "t"} : (memref<4x8xf32>) -> memref<4x8xf32>
  func.return
}
// CHECK: t: result 0 of nn.transpose has shape [4, 8], but its operands and options give [8, 4]

// -----

func.func @results(%0 : memref<4xf32>) {
  %1 = kernel.call "topk" (x = %0) <axis = 0, k = 2, largest = true, sorted = true> : (memref<4xf32>) -> memref<2xf32>
  func.return
}
// CHECK: kernel topk has 2 result(s), got 1

// -----

func.func @view_moves(%0 : memref<1x4x2x2xf32, #kernel.buffer<nhwc>>) {
  %1 = kernel.view %0 <shape = [1, 16]> : (memref<1x4x2x2xf32, #kernel.buffer<nhwc>>) -> memref<1x16xf32, #kernel.buffer<dense>>
  func.return
}
// CHECK: kernel.view needs dense buffers

// -----

func.func @view_offset(%0 : memref<4xf32, #kernel.buffer<dense, at = 64>>) {
  %1 = kernel.view %0 <shape = [2, 2]> : (memref<4xf32, #kernel.buffer<dense, at = 64>>) -> memref<2x2xf32, #kernel.buffer<dense, at = 128>>
  func.return
}
// CHECK: operand and result lie at different offsets

// -----

func.func @order(%0 : memref<4xf32, #kernel.buffer<nchw>>) {
  func.return
}
// CHECK: a buffer's order is one of dense, nhwc, got 'nchw'

// -----

func.func @halo(%0 : memref<1x1x4x4xf32, #kernel.buffer<dense, halo = [1, 1, 1, 1]>>) {
  func.return
}
// CHECK: only nhwc buffers have a halo

// -----

func.func @element_type(%0 : memref<4xf64>) {
  %1 = kernel.call "relu" (x = %0) : (memref<4xf64>) -> memref<4xf64>
  func.return
}
// CHECK: nn.relu on float64 has no kernel; cast to float32

// -----

func.func @element_type_of_one_operand(%0 : memref<4xf32>, %1 : memref<4xf32>) {
  %2 = kernel.call "where" (condition = %1, x = %0, y = %0) : (memref<4xf32>, memref<4xf32>, memref<4xf32>) -> memref<4xf32>
  func.return
}
// CHECK: nn.where on float32 has no kernel; operand 'condition' can be bool

// -----

// A call is valid when the tensor op it computes is.
func.func @bias(%0 : memref<1x4x4x4xf32>, %w : memref<8x4x1x1xf32>, %b : memref<2xf32>) {
  %1 = kernel.call "conv" (x = %0, weight = %w, bias = %b) <dilations = [1, 1], groups = 1, pads = [0, 0, 0, 0], strides = [1, 1]> {layer = "c"} : (memref<1x4x4x4xf32>, memref<8x4x1x1xf32>, memref<2xf32>) -> memref<1x8x4x4xf32>
  func.return
}
// CHECK: c: the bias of nn.conv has shape [2], expected [8]

// -----

func.func @result_element(%0 : memref<4xf32>) {
  %1 = kernel.call "add" (lhs = %0, rhs = %0) {layer = "a"} : (memref<4xf32>, memref<4xf32>) -> memref<4xui8>
  func.return
}
// CHECK: a: nn.add of these operands gives elements of f32, not ui8

// -----

func.func @option_type(%0 : memref<4xf32>) {
  %1 = kernel.call "softmax" (x = %0) <axis = "rows"> : (memref<4xf32>) -> memref<4xf32>
  func.return
}
// CHECK: "rows" should be of base attribute integer

// -----

func.func @channels(%0 : memref<4x3xf32>) {
  %1 = kernel.call "quantize" (x = %0) : (memref<4x3xf32>) -> memref<4x3x!quant.uniform<u8:f32:1, {0.1, 0.2}>>
  func.return
}
// CHECK: dimension 1 has 3 indices but the type has 2 scales

// -----

func.func @copy(%0 : memref<4xf32>) {
  %1 = kernel.call "copy" (x = %0) {layer = "move"} : (memref<4xf32>) -> memref<4xi64>
  func.return
}
// CHECK: move: copy keeps the type

// -----

func.func @halo_rank(%0 : memref<1x2x4xf32, #kernel.buffer<nhwc, halo = [1, 1, 1, 1]>>) {
  %1 = kernel.call "copy" (x = %0) : (memref<1x2x4xf32, #kernel.buffer<nhwc, halo = [1, 1, 1, 1]>>) -> memref<1x2x4xf32>
  func.return
}
// CHECK: a halo of [1, 1, 1, 1] does not fit a buffer of [1, 2, 4]

// -----

func.func @window_of_nothing(%0 : memref<4xf32, #kernel.buffer<dense, window = [0, 2]>>) {
  func.return
}
// CHECK: a window is [dimension, first index, size], got [0, 2]

// -----

func.func @window_too_small(%0 : memref<4xf32>) {
  %1 = kernel.call "relu" (x = %0) : (memref<4xf32>) -> memref<4xf32, #kernel.buffer<dense, window = [0, 5, 8]>>
  func.return
}
// CHECK: a window [0, 5, 8] does not hold a buffer of [4]

// -----

func.func @join_of_other_places(%0 : memref<4xf32>) {
  %1 = kernel.call "relu" (x = %0) : (memref<4xf32>) -> memref<4xf32, #kernel.buffer<dense, window = [0, 0, 8]>>
  %2 = kernel.call "neg" (x = %0) : (memref<4xf32>) -> memref<4xf32, #kernel.buffer<dense, window = [0, 3, 8]>>
  %3 = kernel.join %1, %2 <axis = 0> : (memref<4xf32, #kernel.buffer<dense, window = [0, 0, 8]>>, memref<4xf32, #kernel.buffer<dense, window = [0, 3, 8]>>) -> memref<8xf32, #kernel.buffer<dense>>
  func.return
}
// CHECK: should have the layout #kernel.buffer<dense, window = [0, 4, 8]>

// -----

func.func @joined_twice(%0 : memref<4xf32>) {
  %1 = kernel.call "relu" (x = %0) : (memref<4xf32>) -> memref<4xf32, #kernel.buffer<dense, window = [0, 0, 4]>>
  %2 = kernel.join %1 <axis = 0> : (memref<4xf32, #kernel.buffer<dense, window = [0, 0, 4]>>) -> memref<4xf32, #kernel.buffer<dense>>
  %3 = kernel.join %1 <axis = 0> : (memref<4xf32, #kernel.buffer<dense, window = [0, 0, 4]>>) -> memref<4xf32, #kernel.buffer<dense>>
  func.return
}
// CHECK: kernel.join: an operand is joined twice

// -----

func.func @join_of_an_input(%0 : memref<4xf32, #kernel.buffer<dense, window = [0, 0, 4]>>) {
  %1 = kernel.join %0 <axis = 0> : (memref<4xf32, #kernel.buffer<dense, window = [0, 0, 4]>>) -> memref<4xf32, #kernel.buffer<dense>>
  func.return
}
// CHECK: kernel.join takes results of calls and of joins

// -----

func.func @part_of_another_place(%0 : memref<8xf32>) {
  %1 = kernel.part %0 <axis = 0, start = 2, stop = 6> : (memref<8xf32>) -> memref<4xf32, #kernel.buffer<dense, window = [0, 1, 8]>>
  func.return
}
// CHECK: kernel.part: result {{.*}} should have the layout #kernel.buffer<dense, window = [0, 2, 8]>

// -----

func.func @part_of_another_size(%0 : memref<8xf32>) {
  %1 = kernel.part %0 <axis = 0, start = 2, stop = 6> : (memref<8xf32>) -> memref<5xf32, #kernel.buffer<dense, window = [0, 2, 8]>>
  func.return
}
// CHECK: kernel.part: result has shape [5], expected [4]

// -----

func.func @part_across(%0 : memref<2x4xf32>) {
  %1 = kernel.part %0 <axis = 1, start = 0, stop = 2> : (memref<2x4xf32>) -> memref<2x2xf32, #kernel.buffer<dense, window = [1, 0, 4]>>
  %2 = kernel.part %1 <axis = 0, start = 0, stop = 1> : (memref<2x2xf32, #kernel.buffer<dense, window = [1, 0, 4]>>) -> memref<1x2xf32, #kernel.buffer<dense, window = [0, 0, 2]>>
  func.return
}
// CHECK: kernel.part: its operand is a window along another dimension

// -----

func.func @part_of_no_dimension(%0 : memref<4xf32>) {
  %1 = kernel.part %0 <axis = 1, start = 0, stop = 4> : (memref<4xf32>) -> memref<4xf32, #kernel.buffer<dense, window = [0, 0, 4]>>
  func.return
}
// CHECK: kernel.part: there is no dimension 1

// -----

func.func @part_of_another_type(%0 : memref<4xf32>) {
  %1 = kernel.part %0 <axis = 0, start = 0, stop = 4> : (memref<4xf32>) -> memref<4xi32, #kernel.buffer<dense, window = [0, 0, 4]>>
  func.return
}
// CHECK: kernel.part keeps the element type
