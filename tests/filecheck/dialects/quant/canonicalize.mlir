// RUN: octet-opt %s -p "canonicalize" | filecheck %s
// RUN: octet-opt %s -p "canonicalize,canonicalize" | filecheck %s

// CHECK-LABEL: func.func @qcast_of_dcast
// Same storage, scale and zero point: nothing happens to the stored integers.
// CHECK-NEXT:  func.return %q
func.func @qcast_of_dcast(%q : tensor<2x!quant.uniform<u8:f32, 0.1:3>>) -> tensor<2x!quant.uniform<u8:f32, 0.1:3>> {
  %0 = quant.dcast %q : tensor<2x!quant.uniform<u8:f32, 0.1:3>> -> tensor<2xf32>
  %1 = quant.qcast %0 : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.1:3>>
  func.return %1 : tensor<2x!quant.uniform<u8:f32, 0.1:3>>
}

// A dequantized value that has another use stays for it.
// CHECK-LABEL: func.func @shared
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %q
// CHECK-NEXT:  func.return %[[D]], %q
func.func @shared(%q : tensor<2x!quant.uniform<u8:f32, 0.1:3>>) -> (tensor<2xf32>, tensor<2x!quant.uniform<u8:f32, 0.1:3>>) {
  %0 = quant.dcast %q : tensor<2x!quant.uniform<u8:f32, 0.1:3>> -> tensor<2xf32>
  %1 = quant.qcast %0 : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.1:3>>
  func.return %0, %1 : tensor<2xf32>, tensor<2x!quant.uniform<u8:f32, 0.1:3>>
}

// Another zero point, another storage range, another axis.
// CHECK-LABEL: func.func @other_types
// CHECK-COUNT-3: quant.dcast
// CHECK-NOT:   quant.dcast
func.func @other_types(%q : tensor<2x2x!quant.uniform<i8:f32, 0.1:3>>, %c : tensor<2x2x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> (tensor<2x2x!quant.uniform<i8:f32, 0.1:4>>, tensor<2x2x!quant.uniform<i8<-127:127>:f32, 0.1:3>>, tensor<2x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>) {
  %0 = quant.dcast %q : tensor<2x2x!quant.uniform<i8:f32, 0.1:3>> -> tensor<2x2xf32>
  %1 = quant.qcast %0 : tensor<2x2xf32> -> tensor<2x2x!quant.uniform<i8:f32, 0.1:4>>
  %2 = quant.dcast %q : tensor<2x2x!quant.uniform<i8:f32, 0.1:3>> -> tensor<2x2xf32>
  %3 = quant.qcast %2 : tensor<2x2xf32> -> tensor<2x2x!quant.uniform<i8<-127:127>:f32, 0.1:3>>
  %4 = quant.dcast %c : tensor<2x2x!quant.uniform<i8:f32:0, {0.1, 0.2}>> -> tensor<2x2xf32>
  %5 = quant.qcast %4 : tensor<2x2xf32> -> tensor<2x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>
  func.return %1, %3, %5 : tensor<2x2x!quant.uniform<i8:f32, 0.1:4>>, tensor<2x2x!quant.uniform<i8<-127:127>:f32, 0.1:3>>, tensor<2x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>
}

// Quantizing rounds: never erased.
// CHECK-LABEL: func.func @dcast_of_qcast
// CHECK-NEXT:  quant.qcast
// CHECK-NEXT:  quant.dcast
func.func @dcast_of_qcast(%x : tensor<2xf32>) -> tensor<2xf32> {
  %0 = quant.qcast %x : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.1:3>>
  %1 = quant.dcast %0 : tensor<2x!quant.uniform<u8:f32, 0.1:3>> -> tensor<2xf32>
  func.return %1 : tensor<2xf32>
}

// A storage cast and back, in both directions.
// CHECK-LABEL: func.func @scast_of_scast
// CHECK-NEXT:  func.return %i, %q
func.func @scast_of_scast(%i : tensor<2xi8>, %q : tensor<2x!quant.uniform<i8:f32, 0.1>>) -> (tensor<2xi8>, tensor<2x!quant.uniform<i8:f32, 0.1>>) {
  %0 = quant.scast %i : tensor<2xi8> -> tensor<2x!quant.uniform<i8:f32, 0.1>>
  %1 = quant.scast %0 : tensor<2x!quant.uniform<i8:f32, 0.1>> -> tensor<2xi8>
  %2 = quant.scast %q : tensor<2x!quant.uniform<i8:f32, 0.1>> -> tensor<2xi8>
  %3 = quant.scast %2 : tensor<2xi8> -> tensor<2x!quant.uniform<i8:f32, 0.1>>
  func.return %1, %3 : tensor<2xi8>, tensor<2x!quant.uniform<i8:f32, 0.1>>
}

// Stored integers read with another scale.
// CHECK-LABEL: func.func @reinterpreted
// CHECK-COUNT-2: quant.scast
func.func @reinterpreted(%q : tensor<2x!quant.uniform<i8:f32, 0.1>>) -> tensor<2x!quant.uniform<i8:f32, 0.2>> {
  %0 = quant.scast %q : tensor<2x!quant.uniform<i8:f32, 0.1>> -> tensor<2xi8>
  %1 = quant.scast %0 : tensor<2xi8> -> tensor<2x!quant.uniform<i8:f32, 0.2>>
  func.return %1 : tensor<2x!quant.uniform<i8:f32, 0.2>>
}
