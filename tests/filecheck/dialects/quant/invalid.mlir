// RUN: octet-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: expected a storage type such as i8 or u8, got f32
func.func @main(%x : tensor<2x!quant.uniform<f32:f32, 0.1>>) { func.return }

// -----

// CHECK: storage type i24 is not supported; expected a width of 4, 8, 16, 32
func.func @main(%x : tensor<2x!quant.uniform<i24:f32, 0.1>>) { func.return }

// -----

// CHECK: storage range -129:127 does not fit in i8 (-128:127)
func.func @main(%x : tensor<2x!quant.uniform<i8<-129:127>:f32, 0.1>>) { func.return }

// -----

// CHECK: storage range 5:5 does not fit in ui8 (0:255)
func.func @main(%x : tensor<2x!quant.uniform<u8<5:5>:f32, 0.1>>) { func.return }

// -----

// CHECK: scales must be finite and greater than zero
func.func @main(%x : tensor<2x!quant.uniform<i8:f32, 0.0>>) { func.return }

// -----

// CHECK: scales must be finite and greater than zero
func.func @main(%x : tensor<2x!quant.uniform<i8:f32:0, {0.1, -0.1}>>) { func.return }

// -----

// CHECK: zero point 200 lies outside the storage range -128:127
func.func @main(%x : tensor<2x!quant.uniform<i8:f32, 0.1:200>>) { func.return }

// -----

// CHECK: zero point -128 lies outside the storage range -127:127
func.func @main(%x : tensor<2x!quant.uniform<i8<-127:127>:f32, 0.1:-128>>) { func.return }

// -----

// CHECK: quant.qcast keeps the shape, but got (2,) and (3,)
func.func @main(%x : tensor<2xf32>) {
  %0 = quant.qcast %x : tensor<2xf32> -> tensor<3x!quant.uniform<i8:f32, 0.1>>
  func.return
}

// -----

// CHECK: quant.qcast expects a tensor of !quant.uniform, got tensor<2xi8>
func.func @main(%x : tensor<2xf32>) {
  %0 = quant.qcast %x : tensor<2xf32> -> tensor<2xi8>
  func.return
}

// -----

// CHECK: quant.qcast: the quantized type expresses f32, but the other side has elements of f64
func.func @main(%x : tensor<2xf64>) {
  %0 = quant.qcast %x : tensor<2xf64> -> tensor<2x!quant.uniform<i8:f32, 0.1>>
  func.return
}

// -----

// CHECK: quant.qcast: axis 1 of a quantized type is not a dimension of [2]
func.func @main(%x : tensor<2xf32>) {
  %0 = quant.qcast %x : tensor<2xf32> -> tensor<2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>
  func.return
}

// -----

// CHECK: quant.dcast: dimension 0 has 3 indices but the type has 2 scales
func.func @main(%x : tensor<3x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) {
  %0 = quant.dcast %x : tensor<3x!quant.uniform<i8:f32:0, {0.1, 0.2}>> -> tensor<3xf32>
  func.return
}

// -----

// CHECK: quant.scast converts between a quantized tensor and its stored integers, got tensor<2xi8> and tensor<2xi8>
func.func @main(%x : tensor<2xi8>) {
  %0 = quant.scast %x : tensor<2xi8> -> tensor<2xi8>
  func.return
}

// -----

// CHECK: is stored as ui8, not i8
func.func @main(%x : tensor<2x!quant.uniform<u8:f32, 0.1>>) {
  %0 = quant.scast %x : tensor<2x!quant.uniform<u8:f32, 0.1>> -> tensor<2xi8>
  func.return
}
