// RUN: octet-opt %s -p "quantize-io{io=int8}" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "quantize-io{io=int8},quantize-io{io=int8}" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "quantize-io" --split-input-file | filecheck %s --check-prefix=FLOAT

// The types that inputs and outputs have inside are theirs outside.
// CHECK-LABEL: func.func @main(%x: tensor<1x4x!quant.uniform<u8:f32, 0.1:3>> {nn.name = "x", nn.quantized = !quant.uniform<u8:f32, 0.1:3>}) -> (tensor<1x4x!quant.uniform<u8:f32, 0.2>> {nn.name = "y", nn.quantized = !quant.uniform<u8:f32, 0.2>})
// CHECK-NEXT: %0 = quant.dcast %x : tensor<1x4x!quant.uniform<u8:f32, 0.1:3>> -> tensor<1x4xf32>
// CHECK-NEXT: %1 = nn.sigmoid %0
// CHECK-NEXT: %2 = quant.qcast %1
// CHECK-NEXT: func.return %2
// FLOAT-LABEL: func.func @main(%x: tensor<1x4xf32> {nn.name = "x"}) -> (tensor<1x4xf32> {nn.name = "y"})
func.func @main(%x : tensor<1x4xf32> {nn.name = "x"}) -> (tensor<1x4xf32> {nn.name = "y"}) {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 0.1:3>>
  %1 = quant.dcast %0 : tensor<1x4x!quant.uniform<u8:f32, 0.1:3>> -> tensor<1x4xf32>
  %2 = nn.sigmoid %1 : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %3 = quant.qcast %2 : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 0.2>>
  %4 = quant.dcast %3 : tensor<1x4x!quant.uniform<u8:f32, 0.2>> -> tensor<1x4xf32>
  func.return %4 : tensor<1x4xf32>
}

// -----

// A float user, and one that wants another type, take the dequantized input.
// CHECK-LABEL: func.func @main(%x: tensor<1x4x!quant.uniform<i8:f32, 0.1>>
// CHECK-NEXT: %0 = quant.dcast %x
// CHECK-NEXT: %1 = quant.qcast %0 : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<i8:f32, 0.5>>
// CHECK-NEXT: %2 = nn.exp %0
// CHECK: nn.concat %x
// CHECK: func.return %{{.*}}, %1
func.func @main(%x : tensor<1x4xf32> {nn.name = "x"}) -> (tensor<1x8xf32>, tensor<1x4xf32>) {
  %0 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<i8:f32, 0.1>>
  %1 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<i8:f32, 0.5>>
  %2 = nn.exp %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %3 = quant.qcast %2 : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<i8:f32, 0.1>>
  %4 = nn.concat %0, %3 <axis = 1> : (tensor<1x4x!quant.uniform<i8:f32, 0.1>>, tensor<1x4x!quant.uniform<i8:f32, 0.1>>) -> tensor<1x8x!quant.uniform<i8:f32, 0.1>>
  %5 = quant.dcast %4 : tensor<1x8x!quant.uniform<i8:f32, 0.1>> -> tensor<1x8xf32>
  %6 = quant.dcast %1 : tensor<1x4x!quant.uniform<i8:f32, 0.5>> -> tensor<1x4xf32>
  func.return %5, %6 : tensor<1x8xf32>, tensor<1x4xf32>
}

// -----

// What nothing quantizes takes the type of its range; a given back input is what came in.
// CHECK-LABEL: func.func @main(%x: tensor<1x4x!quant.uniform<u8:f32, 0.003921568859368563>>
// CHECK-NEXT: %0 = quant.dcast %x
// CHECK-NEXT: %1 = nn.exp %0
// CHECK-NEXT: %2 = quant.qcast %{{.*}} -> tensor<1x4x!quant.uniform<u8:f32, 0.007843137718737125>>
// CHECK-NEXT: func.return %2, %x
func.func @main(%x : tensor<1x4xf32> {nn.range = array<f64: 0.0, 1.0>}) -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %0 = nn.exp %x {range = array<f64: 0.0, 2.0>} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  func.return %0, %x : tensor<1x4xf32>, tensor<1x4xf32>
}

// -----

// Integers, and values that are quantized already, stay as they are.
// CHECK-LABEL: func.func @main(%i: tensor<2xi64>, %q: tensor<2x!quant.uniform<i8:f32, 0.1>>
// CHECK-NEXT: func.return %i, %q
func.func @main(%i : tensor<2xi64>, %q : tensor<2x!quant.uniform<i8:f32, 0.1>>) -> (tensor<2xi64>, tensor<2x!quant.uniform<i8:f32, 0.1>>) {
  func.return %i, %q : tensor<2xi64>, tensor<2x!quant.uniform<i8:f32, 0.1>>
}
