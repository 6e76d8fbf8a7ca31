// RUN: octet-opt %s -p "unify-scales" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "unify-scales,unify-scales" --split-input-file | filecheck %s

// The union of 0..255 and -255..0 has steps of 2.
// CHECK-LABEL: @concat
// CHECK:       quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 2.0:128>>
// CHECK:       quant.qcast %y : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 2.0:128>>
// CHECK:       nn.concat
// CHECK-NEXT:  quant.qcast %{{.*}} : tensor<1x8xf32> -> tensor<1x8x!quant.uniform<u8:f32, 2.0:128>>
func.func @concat(%x : tensor<1x4xf32> {nn.range = array<f64: 0.0, 255.0>}, %y : tensor<1x4xf32> {nn.range = array<f64: -255.0, 0.0>}) -> tensor<1x8xf32> {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
  %1 = quant.dcast %0 : tensor<1x4x!quant.uniform<u8:f32, 1.0>> -> tensor<1x4xf32>
  %2 = quant.qcast %y : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0:255>>
  %3 = quant.dcast %2 : tensor<1x4x!quant.uniform<u8:f32, 1.0:255>> -> tensor<1x4xf32>
  %4 = nn.concat %1, %3 <axis = 1> {range = array<f64: -255.0, 255.0>} : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x8xf32>
  %5 = quant.qcast %4 : tensor<1x8xf32> -> tensor<1x8x!quant.uniform<u8:f32, 3.0:5>>
  %6 = quant.dcast %5 : tensor<1x8x!quant.uniform<u8:f32, 3.0:5>> -> tensor<1x8xf32>
  func.return %6 : tensor<1x8xf32>
}

// -----

// What is moved from a quantized value adds nothing to the range: the operand's type stays.
// CHECK-LABEL: @reduce_max
// CHECK:       quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
// CHECK:       nn.reduce_max
// CHECK-NEXT:  quant.qcast %{{.*}} : tensor<1x1xf32> -> tensor<1x1x!quant.uniform<u8:f32, 1.0>>
func.func @reduce_max(%x : tensor<1x4xf32> {nn.range = array<f64: 0.0, 255.0>}) -> tensor<1x1xf32> {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
  %1 = quant.dcast %0 : tensor<1x4x!quant.uniform<u8:f32, 1.0>> -> tensor<1x4xf32>
  %2 = nn.reduce_max %1 <axes = [1], keepdims = true> {range = array<f64: 0.0, 127.5>} : (tensor<1x4xf32>) -> tensor<1x1xf32>
  %3 = quant.qcast %2 : tensor<1x1xf32> -> tensor<1x1x!quant.uniform<u8:f32, 0.5>>
  %4 = quant.dcast %3 : tensor<1x1x!quant.uniform<u8:f32, 0.5>> -> tensor<1x1xf32>
  func.return %4 : tensor<1x1xf32>
}

// -----

// Pairs that came with the model have no calibrated range and stay.
// CHECK-LABEL: @imported
// CHECK:       !quant.uniform<u8:f32, 1.0>>
// CHECK:       !quant.uniform<u8:f32, 0.5>>
func.func @imported(%x : tensor<1x4xf32>) -> tensor<1x1xf32> {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
  %1 = quant.dcast %0 : tensor<1x4x!quant.uniform<u8:f32, 1.0>> -> tensor<1x4xf32>
  %2 = nn.reduce_max %1 <axes = [1], keepdims = true> : (tensor<1x4xf32>) -> tensor<1x1xf32>
  %3 = quant.qcast %2 : tensor<1x1xf32> -> tensor<1x1x!quant.uniform<u8:f32, 0.5>>
  %4 = quant.dcast %3 : tensor<1x1x!quant.uniform<u8:f32, 0.5>> -> tensor<1x1xf32>
  func.return %4 : tensor<1x1xf32>
}
