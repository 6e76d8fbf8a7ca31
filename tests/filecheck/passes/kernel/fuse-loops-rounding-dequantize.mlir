// RUN: octet-opt %s -p "fuse-loops{min-elements=1}" | filecheck %s

// A dequantize that gives 16-bit floats rounds to them, also when a loop reads through it.
// CHECK: kernel.map (%x)
// CHECK-NEXT: ^bb0(%{{.*}}: f32):
// CHECK-NEXT: arith.truncf %{{.*}} : f32 to bf16
// CHECK-NEXT: arith.extf %{{.*}} : bf16 to f32
// CHECK-NOT: kernel.call "dequantize"
func.func @main(%x : memref<4x8x!quant.uniform<u8:f32, 0.1>, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>> {
  %0 = kernel.call "dequantize" (x = %x) : (memref<4x8x!quant.uniform<u8:f32, 0.1>, #kernel.buffer<dense>>) -> memref<4x8xbf16, #kernel.buffer<dense>>
  %1 = kernel.call "neg" (x = %0) : (memref<4x8xbf16, #kernel.buffer<dense>>) -> memref<4x8xbf16, #kernel.buffer<dense>>
  %2 = kernel.call "cast" (x = %1) : (memref<4x8xbf16, #kernel.buffer<dense>>) -> memref<4x8xf32, #kernel.buffer<dense>>
  func.return %2 : memref<4x8xf32, #kernel.buffer<dense>>
}
