// RUN: octet-opt %s -p "assign-layout,lower-to-kernel" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "assign-layout,lower-to-kernel,lower-to-kernel" --split-input-file | filecheck %s

// The input is copied once into a channels-last buffer whose halo holds the widest padding of
// the two convolutions that read it.
// CHECK-LABEL: func.func @halo
// CHECK-SAME: memref<1x2x4x4xf32, #kernel.buffer<dense>>
// CHECK: kernel.call "copy" {{.*}} -> memref<1x2x4x4xf32, #kernel.buffer<nhwc, halo = [2, 1, 1, 1]>>
// CHECK-NOT: "copy" {{.*}}halo
// CHECK: kernel.call "conv" {{.*}} {layer = "a"}
// CHECK: kernel.call "conv" {{.*}} {layer = "b"}
func.func @halo(%x : tensor<1x2x4x4xf32>) -> (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>) {
  %w = nn.constant <value = dense<1.0> : tensor<1x2x3x3xf32>> : () -> tensor<1x2x3x3xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "a"} : (tensor<1x2x4x4xf32>, tensor<1x2x3x3xf32>) -> tensor<1x1x4x4xf32>
  %1 = nn.conv %x, %w <strides = [1, 1], pads = [2, 1, 0, 1], dilations = [1, 1], groups = 1> {layer = "b"} : (tensor<1x2x4x4xf32>, tensor<1x2x3x3xf32>) -> tensor<1x1x4x4xf32>
  func.return %0, %1 : tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>
}

// -----

// Signed activations are kept as unsigned bytes, zero point and limits 128 greater.
// CHECK-LABEL: func.func @signed
// CHECK: kernel.call "quantize" {{.*}} -> memref<4x!quant.uniform<u8:f32, 0.5:131>
// CHECK: kernel.call "quantize" {{.*}} -> memref<4x!quant.uniform<u8<1:255>:f32, 0.5:128>
func.func @signed(%x : tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<i8:f32, 0.5:3>>
  %1 = quant.dcast %0 : tensor<4x!quant.uniform<i8:f32, 0.5:3>> -> tensor<4xf32>
  %2 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<i8<-127:127>:f32, 0.5>>
  %3 = quant.dcast %2 : tensor<4x!quant.uniform<i8<-127:127>:f32, 0.5>> -> tensor<4xf32>
  func.return %1, %3 : tensor<4xf32>, tensor<4xf32>
}

// -----

// Raw signed bytes at the border of the program are converted.
// CHECK-LABEL: func.func @raw
// CHECK-SAME: memref<4xi8, #kernel.buffer<dense>>
// CHECK: kernel.call "storage_cast" (x = %{{.*}}) : (memref<4xi8, {{.*}}) -> memref<4x!quant.uniform<u8:f32, 0.5:131>, {{.*}}
// CHECK: kernel.call "storage_cast" {{.*}} -> memref<4xi8,
func.func @raw(%x : tensor<4xi8>) -> tensor<4xi8> {
  %0 = quant.scast %x : tensor<4xi8> -> tensor<4x!quant.uniform<i8:f32, 0.5:3>>
  %1 = quant.scast %0 : tensor<4x!quant.uniform<i8:f32, 0.5:3>> -> tensor<4xi8>
  func.return %1 : tensor<4xi8>
}

// -----

// A reshape of a row-major buffer is a view, also of a channels-last one with one pixel; of
// another channels-last one it needs a copy first.
// CHECK-LABEL: func.func @reshape
// CHECK: kernel.call "reduce_mean" {{.*}} #kernel.buffer<nhwc>>
// CHECK-NEXT: kernel.view {{.*}} -> memref<1x3xf32, #kernel.buffer<dense>>
// CHECK: kernel.call "copy" {{.*}} -> memref<1x3x2x2xf32, #kernel.buffer<dense>>
// CHECK-NEXT: kernel.view {{.*}} -> memref<1x12xf32, #kernel.buffer<dense>>
func.func @reshape(%x : tensor<1x3x4x4xf32>) -> (tensor<1x3xf32>, tensor<1x12xf32>) {
  %0 = nn.max_pool %x <kernel = [2, 2], strides = [2, 2], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<1x3x4x4xf32>) -> tensor<1x3x2x2xf32>
  %1 = nn.reduce_mean %0 <axes = [2, 3], keepdims = true> : (tensor<1x3x2x2xf32>) -> tensor<1x3x1x1xf32>
  %2 = nn.reshape %1 <shape = [-2, -1]> : (tensor<1x3x1x1xf32>) -> tensor<1x3xf32>
  %3 = nn.reshape %0 <shape = [-2, -1]> : (tensor<1x3x2x2xf32>) -> tensor<1x12xf32>
  func.return %2, %3 : tensor<1x3xf32>, tensor<1x12xf32>
}

// -----

// Outputs are buffers of their own: an input or a constant that is returned is copied.
// CHECK-LABEL: func.func @outputs
// CHECK: kernel.call "copy"
// CHECK: kernel.constant
// CHECK: kernel.call "copy"
func.func @outputs(%x : tensor<4xf32>) -> (tensor<4xf32>, tensor<2xf32>) {
  %0 = nn.constant <value = dense<[1.0, 2.0]> : tensor<2xf32>> : () -> tensor<2xf32>
  func.return %x, %0 : tensor<4xf32>, tensor<2xf32>
}
