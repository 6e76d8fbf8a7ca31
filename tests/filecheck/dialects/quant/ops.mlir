// RUN: octet-opt %s | octet-opt | filecheck %s

// Types are printed as MLIR prints them: a zero point of 0 and the full storage range are left out.
// CHECK-LABEL: func.func @types
// CHECK-SAME: !quant.uniform<i8:f32, 0.1>>
// CHECK-SAME: !quant.uniform<u8:f32, 0.1:3>>
// CHECK-SAME: !quant.uniform<i8:f32, 0.1:-3>>
// CHECK-SAME: !quant.uniform<i8<-127:127>:f32, 1.0>>
// CHECK-SAME: !quant.uniform<i8:f32, 0.5>>
// CHECK-SAME: !quant.uniform<i8:f32:1, {0.1:3, 0.2}>>
// CHECK-SAME: !quant.uniform<i32:f32:0, {1.0e-10}>>
// CHECK-SAME: !quant.uniform<u4:f16, 0.1:15>>
// CHECK-SAME: !quant.uniform<i16:bf16, 0.1>>
func.func @types(
  %a : tensor<2x!quant.uniform<i8:f32, 0.1:0>>,
  %b : tensor<2x!quant.uniform<u8:f32, 0.1:3>>,
  %c : tensor<2x!quant.uniform<i8:f32, 0.1:-3>>,
  %d : tensor<2x!quant.uniform<i8<-127:127>:f32, 1>>,
  %e : tensor<2x!quant.uniform<i8<-128:127>:f32, 5.0e-01>>,
  %f : tensor<1x2x!quant.uniform<i8:f32:1, {0.1:3, 0.2:0}>>,
  %g : tensor<1x!quant.uniform<i32:f32:0, {0.0000000001}>>,
  %h : tensor<2x!quant.uniform<u4:f16, 0.1:15>>,
  %i : tensor<2x!quant.uniform<i16:bf16, 0.1>>
) {
  func.return
}

// CHECK-LABEL: func.func @casts
func.func @casts(%x : tensor<1x2xf32>, %i : tensor<1x2xi8>) {
  // CHECK-NEXT: %[[Q:.*]] = quant.qcast %x : tensor<1x2xf32> -> tensor<1x2x!quant.uniform<u8:f32, 0.1:3>>
  %0 = quant.qcast %x : tensor<1x2xf32> -> tensor<1x2x!quant.uniform<u8:f32, 0.1:3>>
  // CHECK-NEXT: quant.dcast %[[Q]] : tensor<1x2x!quant.uniform<u8:f32, 0.1:3>> -> tensor<1x2xf32>
  %1 = quant.dcast %0 : tensor<1x2x!quant.uniform<u8:f32, 0.1:3>> -> tensor<1x2xf32>
  // CHECK-NEXT: %[[S:.*]] = quant.scast %i {note = "stored"} : tensor<1x2xi8> -> tensor<1x2x!quant.uniform<i8:f32:1, {0.1, 0.2:5}>>
  %2 = quant.scast %i {note = "stored"} : tensor<1x2xi8> -> tensor<1x2x!quant.uniform<i8:f32:1, {0.1, 0.2:5}>>
  // CHECK-NEXT: quant.scast %[[S]] : tensor<1x2x!quant.uniform<i8:f32:1, {0.1, 0.2:5}>> -> tensor<1x2xi8>
  %3 = quant.scast %2 : tensor<1x2x!quant.uniform<i8:f32:1, {0.1, 0.2:5}>> -> tensor<1x2xi8>
  // CHECK-NEXT: func.return
  func.return
}
