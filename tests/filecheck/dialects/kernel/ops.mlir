// RUN: octet-opt %s | octet-opt | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%0 : memref<1x3x8x8xf32, #kernel.buffer<dense, at = 1280>>) -> memref<1x256xf32, #kernel.buffer<dense, at = 64>> {
  // CHECK-NEXT: kernel.constant <value = #nn.weight<"8fbb5f2143a3c232b0022064b1fa7b17d652eb658b02052c0fd01cfb6349a9e3">> : () -> memref<4x3x3x3x!quant.uniform<i8:f32, 0.5>>
  %1 = kernel.constant <value = #nn.weight<"8fbb5f2143a3c232b0022064b1fa7b17d652eb658b02052c0fd01cfb6349a9e3">> : () -> memref<4x3x3x3x!quant.uniform<i8:f32, 0.5>>
  // CHECK-NEXT: kernel.call "quantize" (x = %{{.*}}) : (memref<1x3x8x8xf32, #kernel.buffer<dense, at = 1280>>) -> memref<1x3x8x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<nhwc, halo = [1, 1, 1, 1], at = 0>>
  %2 = kernel.call "quantize" (x = %0) : (memref<1x3x8x8xf32, #kernel.buffer<dense, at = 1280>>) -> memref<1x3x8x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<nhwc, halo = [1, 1, 1, 1], at = 0>>
  // CHECK-NEXT: kernel.call "conv" (x = %{{.*}}, weight = %{{.*}}) <activation = #nn.activation<relu>, dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> {layer = "stem"}
  %3 = kernel.call "conv" (x = %2, weight = %1) <activation = #nn.activation<relu>, dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [1, 1]> {layer = "stem"} : (memref<1x3x8x8x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<nhwc, halo = [1, 1, 1, 1], at = 0>>, memref<4x3x3x3x!quant.uniform<i8:f32, 0.5>>) -> memref<1x4x8x8xf32, #kernel.buffer<nhwc, at = 1280>>
  // CHECK-NEXT: kernel.call "copy"
  %4 = kernel.call "copy" (x = %3) : (memref<1x4x8x8xf32, #kernel.buffer<nhwc, at = 1280>>) -> memref<1x4x8x8xf32, #kernel.buffer<dense, at = 64>>
  // CHECK-NEXT: kernel.view %{{.*}} <shape = [-2, -1]> : (memref<1x4x8x8xf32, #kernel.buffer<dense, at = 64>>) -> memref<1x256xf32, #kernel.buffer<dense, at = 64>>
  %5 = kernel.view %4 <shape = [-2, -1]> : (memref<1x4x8x8xf32, #kernel.buffer<dense, at = 64>>) -> memref<1x256xf32, #kernel.buffer<dense, at = 64>>
  // CHECK-NEXT: kernel.call "concat" (inputs = %{{.*}}, inputs = %{{.*}}) <axis = 0>
  %6 = kernel.call "concat" (inputs = %5, inputs = %5) <axis = 0> : (memref<1x256xf32, #kernel.buffer<dense, at = 64>>, memref<1x256xf32, #kernel.buffer<dense, at = 64>>) -> memref<2x256xf32, #kernel.buffer<dense>>
  // CHECK-NEXT: func.return
  func.return %5 : memref<1x256xf32, #kernel.buffer<dense, at = 64>>
}
