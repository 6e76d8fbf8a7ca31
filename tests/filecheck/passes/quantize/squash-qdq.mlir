// RUN: octet-opt %s -p "squash-qdq" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "squash-qdq,squash-qdq" --split-input-file | filecheck %s

// CHECK-LABEL: @round_trip
// CHECK-NEXT:  func.return %q
func.func @round_trip(%q : tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x!quant.uniform<u8:f32, 0.5:3>> {
  %0 = quant.dcast %q : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  func.return %1 : tensor<4x!quant.uniform<u8:f32, 0.5:3>>
}

// -----

// Another zero point, another signedness, a narrower range: each a change of scale.
// CHECK-LABEL: @not_a_round_trip
// CHECK-NEXT:  quant.dcast
// CHECK-NEXT:  quant.qcast
// CHECK-NEXT:  quant.qcast
// CHECK-NEXT:  quant.qcast
func.func @not_a_round_trip(%q : tensor<4x!quant.uniform<i8:f32, 0.5:3>>) -> (tensor<4x!quant.uniform<i8:f32, 0.5:4>>, tensor<4x!quant.uniform<u8:f32, 0.5:3>>, tensor<4x!quant.uniform<i8<-127:127>:f32, 0.5:3>>) {
  %0 = quant.dcast %q : tensor<4x!quant.uniform<i8:f32, 0.5:3>> -> tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<i8:f32, 0.5:4>>
  %2 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  %3 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<i8<-127:127>:f32, 0.5:3>>
  func.return %1, %2, %3 : tensor<4x!quant.uniform<i8:f32, 0.5:4>>, tensor<4x!quant.uniform<u8:f32, 0.5:3>>, tensor<4x!quant.uniform<i8<-127:127>:f32, 0.5:3>>
}

// -----

// A dequantize of a quantize rounds: it stays. Duplicates become one.
// CHECK-LABEL: @rounds
// CHECK-NEXT:  %[[Q:.*]] = quant.qcast %x
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %[[Q]]
// CHECK-NEXT:  func.return %[[D]], %[[D]]
func.func @rounds(%x : tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  %1 = quant.dcast %0 : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4xf32>
  %2 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  %3 = quant.dcast %2 : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4xf32>
  func.return %1, %3 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: @constant
// CHECK-NEXT:  %[[C:.*]] = nn.constant <value = #nn.weight<"{{.*}}">> : () -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
// CHECK-NEXT:  func.return %[[C]]
func.func @constant() -> tensor<4x!quant.uniform<u8:f32, 0.5:3>> {
  %0 = nn.constant <value = dense<1.0> : tensor<4xf32>> : () -> tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  func.return %1 : tensor<4x!quant.uniform<u8:f32, 0.5:3>>
}
