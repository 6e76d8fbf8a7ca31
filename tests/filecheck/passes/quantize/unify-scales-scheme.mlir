// RUN: octet-opt %s -p "unify-scales" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "unify-scales,unify-scales" --split-input-file | filecheck %s

// The others take a fixed type that expresses their ranges.
// CHECK-LABEL: @takes_the_fixed
// CHECK:       quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 2.0:100>>
// CHECK:       quant.qcast %y : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 2.0:100>>
// CHECK:       nn.concat
// CHECK-NEXT:  quant.qcast %{{.*}} : tensor<1x8xf32> -> tensor<1x8x!quant.uniform<u8:f32, 2.0:100>>
func.func @takes_the_fixed(%x : tensor<1x4xf32> {nn.range = array<f64: -200.0, 310.0>, nn.scheme = #nn.scheme<scale = [2.0], storage = "u8", zero_point = [100]>}, %y : tensor<1x4xf32> {nn.range = array<f64: 0.0, 255.0>}) -> tensor<1x8xf32> {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 2.0:100>>
  %1 = quant.dcast %0 : tensor<1x4x!quant.uniform<u8:f32, 2.0:100>> -> tensor<1x4xf32>
  %2 = quant.qcast %y : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
  %3 = quant.dcast %2 : tensor<1x4x!quant.uniform<u8:f32, 1.0>> -> tensor<1x4xf32>
  %4 = nn.concat %1, %3 <axis = 1> {range = array<f64: -200.0, 310.0>} : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x8xf32>
  %5 = quant.qcast %4 : tensor<1x8xf32> -> tensor<1x8x!quant.uniform<u8:f32, 3.0:5>>
  %6 = quant.dcast %5 : tensor<1x8x!quant.uniform<u8:f32, 3.0:5>> -> tensor<1x8xf32>
  func.return %6 : tensor<1x8xf32>
}

// -----

// A value that the fixed type cannot express agrees with the rest; what is fixed stays.
// CHECK-LABEL: @too_wide
// CHECK:       quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 0.5>>
// CHECK:       quant.qcast %y : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
// CHECK:       nn.concat
// CHECK-NEXT:  quant.qcast %{{.*}} : tensor<1x8xf32> -> tensor<1x8x!quant.uniform<u8:f32, 1.0>>
func.func @too_wide(%x : tensor<1x4xf32> {nn.range = array<f64: 0.0, 127.5>, nn.scheme = #nn.scheme<scale = [0.5], storage = "u8", zero_point = [0]>}, %y : tensor<1x4xf32> {nn.range = array<f64: 0.0, 255.0>}) -> tensor<1x8xf32> {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 0.5>>
  %1 = quant.dcast %0 : tensor<1x4x!quant.uniform<u8:f32, 0.5>> -> tensor<1x4xf32>
  %2 = quant.qcast %y : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
  %3 = quant.dcast %2 : tensor<1x4x!quant.uniform<u8:f32, 1.0>> -> tensor<1x4xf32>
  %4 = nn.concat %1, %3 <axis = 1> {range = array<f64: 0.0, 255.0>} : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x8xf32>
  %5 = quant.qcast %4 : tensor<1x8xf32> -> tensor<1x8x!quant.uniform<u8:f32, 3.0:5>>
  %6 = quant.dcast %5 : tensor<1x8x!quant.uniform<u8:f32, 3.0:5>> -> tensor<1x8xf32>
  func.return %6 : tensor<1x8xf32>
}

// -----

// Two fixed types: each stays, and the maximum is requantized.
// CHECK-LABEL: @two_fixed
// CHECK:       quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 0.5>>
// CHECK:       nn.reduce_max
// CHECK-NEXT:  quant.qcast %{{.*}} : tensor<1x1xf32> -> tensor<1x1x!quant.uniform<u8:f32, 0.25>>
func.func @two_fixed(%x : tensor<1x4xf32> {nn.range = array<f64: 0.0, 127.5>, nn.scheme = #nn.scheme<scale = [0.5], storage = "u8", zero_point = [0]>}) -> tensor<1x1xf32> {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 0.5>>
  %1 = quant.dcast %0 : tensor<1x4x!quant.uniform<u8:f32, 0.5>> -> tensor<1x4xf32>
  %2 = nn.reduce_max %1 <axes = [1], keepdims = true> {range = array<f64: 0.0, 63.75>, scheme = #nn.scheme<scale = [0.25], storage = "u8", zero_point = [0]>} : (tensor<1x4xf32>) -> tensor<1x1xf32>
  %3 = quant.qcast %2 : tensor<1x1xf32> -> tensor<1x1x!quant.uniform<u8:f32, 0.25>>
  %4 = quant.dcast %3 : tensor<1x1x!quant.uniform<u8:f32, 0.25>> -> tensor<1x1xf32>
  func.return %4 : tensor<1x1xf32>
}

// -----

// The group takes the form that one of its schemes asks for; one that asks for another keeps its own.
// CHECK-LABEL: @forms
// CHECK:       quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<i8:f32, 2.0>>
// CHECK:       quant.qcast %y : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
// CHECK:       nn.concat
// CHECK-NEXT:  quant.qcast %{{.*}} : tensor<1x8xf32> -> tensor<1x8x!quant.uniform<i8:f32, 2.0>>
func.func @forms(%x : tensor<1x4xf32> {nn.range = array<f64: -254.0, 100.0>, nn.scheme = #nn.scheme<storage = "s8", symmetric = true>}, %y : tensor<1x4xf32> {nn.range = array<f64: 0.0, 254.0>, nn.scheme = #nn.scheme<storage = "u8">}) -> tensor<1x8xf32> {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<i8:f32, 1.0>>
  %1 = quant.dcast %0 : tensor<1x4x!quant.uniform<i8:f32, 1.0>> -> tensor<1x4xf32>
  %2 = quant.qcast %y : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 1.0>>
  %3 = quant.dcast %2 : tensor<1x4x!quant.uniform<u8:f32, 1.0>> -> tensor<1x4xf32>
  %4 = nn.concat %1, %3 <axis = 1> {range = array<f64: -254.0, 254.0>} : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x8xf32>
  %5 = quant.qcast %4 : tensor<1x8xf32> -> tensor<1x8x!quant.uniform<u8:f32, 3.0:5>>
  %6 = quant.dcast %5 : tensor<1x8x!quant.uniform<u8:f32, 3.0:5>> -> tensor<1x8xf32>
  func.return %6 : tensor<1x8xf32>
}
