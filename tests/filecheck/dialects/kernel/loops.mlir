// RUN: octet-opt %s | octet-opt | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%0 : memref<4x8xf32, #kernel.buffer<dense>>, %1 : memref<8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>, %c : memref<4x1xi1, #kernel.buffer<dense>>) -> memref<4xf32, #kernel.buffer<dense>> {
  // CHECK-NEXT: %{{.*}} = kernel.map (%{{.*}}, %{{.*}}, %{{.*}}) <scalars = [0.5, -inf]> {layer = "scale"} : (memref<4x8xf32, #kernel.buffer<dense>>, memref<8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>, memref<4x1xi1, #kernel.buffer<dense>>) -> memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>> {
  %2 = kernel.map (%0, %1, %c) <scalars = [0.5, -inf]> {layer = "scale"} : (memref<4x8xf32, #kernel.buffer<dense>>, memref<8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>, memref<4x1xi1, #kernel.buffer<dense>>) -> memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>> {
  // CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: i1, %{{.*}}: f32, %{{.*}}: f32):
  ^bb0(%x : f32, %y : f32, %which : i1, %half : f32, %low : f32):
    // CHECK-NEXT: arith.mulf
    %3 = arith.mulf %x, %half : f32
    %4 = arith.addf %3, %y : f32
    // CHECK: arith.select
    %5 = arith.select %which, %4, %low : f32
    // CHECK-NEXT: kernel.yield %{{.*}} : f32
    kernel.yield %5 : f32
  }
  // Rows of two dimensions; a result with an element per element, one with an element per row,
  // which may drop the dimensions of the row.
  // CHECK: kernel.reduce (%{{.*}}) <axis = 1> : (memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>) -> (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x1xf32, #kernel.buffer<dense>>, memref<4xf32, #kernel.buffer<dense>>) {
  %6, %7, %8 = kernel.reduce (%2) <axis = 1> : (memref<4x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>) -> (memref<4x8xf32, #kernel.buffer<dense>>, memref<4x1xf32, #kernel.buffer<dense>>, memref<4xf32, #kernel.buffer<dense>>) {
  ^bb0(%x : f32):
    // CHECK: kernel.fold "max" %{{.*}} : f32
    %9 = kernel.fold "max" %x : f32
    %10 = arith.subf %x, %9 : f32
    %11 = math.exp %10 : f32
    %12 = kernel.fold "add" %11 : f32
    // CHECK: kernel.length : f32
    %13 = kernel.length : f32
    %14 = arith.divf %12, %13 : f32
    // CHECK: kernel.yield %{{.*}}, %{{.*}}, %{{.*}} : f32, f32, f32
    kernel.yield %11, %9, %14 : f32, f32, f32
  }
  func.return %8 : memref<4xf32, #kernel.buffer<dense>>
}
