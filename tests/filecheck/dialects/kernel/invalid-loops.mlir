// RUN: octet-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @arguments(%0 : memref<4xf32>) -> memref<4xf32> {
  %1 = kernel.map (%0) <scalars = [0.5]> {layer = "scale"} : (memref<4xf32>) -> memref<4xf32> {
  ^bb0(%x : f32):
    kernel.yield %x : f32
  }
  func.return %1 : memref<4xf32>
}
// CHECK: scale: the body of kernel.map takes (f32, f32), an argument per operand and per scalar; got (f32)

// -----

func.func @element(%0 : memref<4xi64>) -> memref<4xf32> {
  %1 = kernel.map (%0) : (memref<4xi64>) -> memref<4xf32> {
  ^bb0(%x : f32):
    kernel.yield %x : f32
  }
  func.return %1 : memref<4xf32>
}
// CHECK: kernel.map works on float32, bfloat16, float16, booleans and 8-bit tensors of one scale, not on i64

// -----

func.func @op(%0 : memref<4xf32>) -> memref<4xf32> {
  %1 = kernel.map (%0) : (memref<4xf32>) -> memref<4xf32> {
  ^bb0(%x : f32):
    %2 = math.sin %x : f32
    kernel.yield %2 : f32
  }
  func.return %1 : memref<4xf32>
}
// CHECK: math.sin cannot stand in kernel.map

// -----

func.func @fold(%0 : memref<4xf32>) -> memref<4xf32> {
  %1 = kernel.map (%0) : (memref<4xf32>) -> memref<4xf32> {
  ^bb0(%x : f32):
    %2 = kernel.fold "add" %x : f32
    kernel.yield %2 : f32
  }
  func.return %1 : memref<4xf32>
}
// CHECK: kernel.fold cannot stand in kernel.map

// -----

func.func @kind(%0 : memref<4xf32>) -> memref<1xf32> {
  %1 = kernel.reduce (%0) <axis = 0> : (memref<4xf32>) -> memref<1xf32> {
  ^bb0(%x : f32):
    %2 = kernel.fold "mul" %x : f32
    kernel.yield %2 : f32
  }
  func.return %1 : memref<1xf32>
}
// CHECK: kernel.fold combines by add, max, min, got 'mul'

// -----

func.func @nothing(%0 : memref<4xf32>) -> memref<4xf32> {
  %1 = kernel.reduce (%0) <axis = 0> : (memref<4xf32>) -> memref<4xf32> {
  ^bb0(%x : f32):
    kernel.yield %x : f32
  }
  func.return %1 : memref<4xf32>
}
// CHECK: kernel.reduce without kernel.fold; use kernel.map

// -----

func.func @shape(%0 : memref<4x8xf32>, %1 : memref<4x1xf32>) -> memref<4x1xf32> {
  %2 = kernel.map (%0, %1) {layer = "sum"} : (memref<4x8xf32>, memref<4x1xf32>) -> memref<4x1xf32> {
  ^bb0(%x : f32, %y : f32):
    %3 = arith.addf %x, %y : f32
    kernel.yield %3 : f32
  }
  func.return %2 : memref<4x1xf32>
}
// CHECK: sum: result 0 of kernel.map has shape [4, 1], but its operands give [4, 8]

// -----

func.func @smaller(%0 : memref<4x8xf32>, %1 : memref<8xf32>) -> (memref<4x8xf32>, memref<4x8xf32>) {
  %2, %3 = kernel.map (%0, %1) {layer = "two"} : (memref<4x8xf32>, memref<8xf32>) -> (memref<4x8xf32>, memref<4x8xf32>) {
  ^bb0(%x : f32, %y : f32):
    %4 = arith.addf %x, %y : f32
    kernel.yield %4, %y : f32, f32
  }
  func.return %2, %3 : memref<4x8xf32>, memref<4x8xf32>
}
// CHECK: two: result 1 does not have the loop's shape [4, 8]

// -----

func.func @repeats(%0 : memref<4x8x2xf32>, %1 : memref<2xf32>) -> memref<4x8x2xf32> {
  %2 = kernel.reduce (%0, %1) <axis = 1> {layer = "norm"} : (memref<4x8x2xf32>, memref<2xf32>) -> memref<4x8x2xf32> {
  ^bb0(%x : f32, %y : f32):
    %3 = kernel.fold "add" %x : f32
    %4 = arith.addf %x, %y : f32
    %5 = arith.subf %4, %3 : f32
    kernel.yield %5 : f32
  }
  func.return %2 : memref<4x8x2xf32>
}
// CHECK: norm: an operand of [2] repeats within rows of [8, 2]

// -----

func.func @layout(%0 : memref<1x4x2x2xf32, #kernel.buffer<nhwc>>) -> memref<1x4x2x1xf32, #kernel.buffer<dense>> {
  %1 = kernel.reduce (%0) <axis = 3> : (memref<1x4x2x2xf32, #kernel.buffer<nhwc>>) -> memref<1x4x2x1xf32, #kernel.buffer<dense>> {
  ^bb0(%x : f32):
    %2 = kernel.fold "add" %x : f32
    kernel.yield %2 : f32
  }
  func.return %1 : memref<1x4x2x1xf32, #kernel.buffer<dense>>
}
// CHECK: kernel.reduce needs dense buffers, got memref<1x4x2x2xf32, #kernel.buffer<nhwc>>

// -----

func.func @round(%0 : memref<4xf32>) -> memref<4xf32> {
  %1 = kernel.map (%0) {layer = "wide"} : (memref<4xf32>) -> memref<4xf32> {
  ^bb0(%x : f32):
    %2 = arith.extf %x : f32 to f64
    kernel.yield %x : f32
  }
  func.return %1 : memref<4xf32>
}
// CHECK: wide: arith.extf is to or from a 16-bit float
