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
// CHECK: t: result has shape [4, 8], expected [8, 4]

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

func.func @element_type(%0 : memref<4xf16>) {
  %1 = kernel.call "relu" (x = %0) : (memref<4xf16>) -> memref<4xf16>
  func.return
}
// CHECK: nn.relu on float16 has no kernel; cast to float32

// -----

func.func @element_type_of_one_operand(%0 : memref<4xf32>, %1 : memref<4xf32>) {
  %2 = kernel.call "where" (condition = %1, x = %0, y = %0) : (memref<4xf32>, memref<4xf32>, memref<4xf32>) -> memref<4xf32>
  func.return
}
// CHECK: nn.where on float32 has no kernel; operand 'condition' can be bool
