// RUN: octet-opt %s -p "quantize-ops" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "quantize-ops,quantize-ops" --split-input-file | filecheck %s

// The bias takes the scale of the sums, 0.5 * 0.5; the second product gives floats.
// CHECK-LABEL: @matmul
// CHECK-NEXT:  %[[W:.*]] = nn.constant <value = dense<1.000000e+00> : tensor<2x2xf32>>
// CHECK-NEXT:  %[[Q:.*]] = quant.qcast %[[W]]
// CHECK-NEXT:  %[[B:.*]] = nn.constant <value = #nn.weight<"{{.*}}">> {layer = "bias"} : () -> tensor<2x!quant.uniform<i32:f32, 0.25>>
// CHECK-NEXT:  %[[Y:.*]] = nn.matmul %q, %[[Q]], bias = %[[B]] <activation = #nn.activation<relu>> {precision = #nn<precision int8>} : (tensor<1x2x!quant.uniform<u8:f32, 0.5>>, tensor<2x2x!quant.uniform<i8:f32, 0.5>>, tensor<2x!quant.uniform<i32:f32, 0.25>>) -> tensor<1x2x!quant.uniform<u8:f32, 1.0>>
// CHECK-NEXT:  %[[Z:.*]] = nn.matmul %[[Y]], %[[Q]] {precision = #nn<precision int8>} : (tensor<1x2x!quant.uniform<u8:f32, 1.0>>, tensor<2x2x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x2xf32>
// CHECK-NEXT:  func.return %[[Z]]
func.func @matmul(%q : tensor<1x2x!quant.uniform<u8:f32, 0.5>>) -> tensor<1x2xf32> {
  %w = nn.constant <value = dense<1.0> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %b = nn.constant <value = dense<2.0> : tensor<2xf32>> {layer = "bias"} : () -> tensor<2xf32>
  %0 = quant.qcast %w : tensor<2x2xf32> -> tensor<2x2x!quant.uniform<i8:f32, 0.5>>
  %1 = quant.dcast %0 : tensor<2x2x!quant.uniform<i8:f32, 0.5>> -> tensor<2x2xf32>
  %2 = quant.dcast %q : tensor<1x2x!quant.uniform<u8:f32, 0.5>> -> tensor<1x2xf32>
  %3 = nn.matmul %2, %1, bias = %b <activation = #nn.activation<relu>> {precision = #nn<precision int8>} : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %4 = quant.qcast %3 : tensor<1x2xf32> -> tensor<1x2x!quant.uniform<u8:f32, 1.0>>
  %5 = quant.dcast %4 : tensor<1x2x!quant.uniform<u8:f32, 1.0>> -> tensor<1x2xf32>
  %6 = nn.matmul %5, %1 {precision = #nn<precision int8>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %6 : tensor<1x2xf32>
}

// -----

// CHECK-LABEL: @add
// CHECK-NEXT:  %[[S:.*]] = nn.add %a, %b {precision = #nn<precision int8>} : (tensor<4x!quant.uniform<u8:f32, 0.5>>, tensor<4x!quant.uniform<i8:f32, 0.25:3>>) -> tensor<4x!quant.uniform<u8:f32, 0.75>>
// CHECK-NEXT:  func.return %[[S]]
func.func @add(%a : tensor<4x!quant.uniform<u8:f32, 0.5>>, %b : tensor<4x!quant.uniform<i8:f32, 0.25:3>>) -> tensor<4x!quant.uniform<u8:f32, 0.75>> {
  %0 = quant.dcast %a : tensor<4x!quant.uniform<u8:f32, 0.5>> -> tensor<4xf32>
  %1 = quant.dcast %b : tensor<4x!quant.uniform<i8:f32, 0.25:3>> -> tensor<4xf32>
  %2 = nn.add %0, %1 {precision = #nn<precision int8>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = quant.qcast %2 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.75>>
  func.return %3 : tensor<4x!quant.uniform<u8:f32, 0.75>>
}

// -----

// A float user, an operand that is not quantized, an op that was placed in float.
// CHECK-LABEL: @guards
// CHECK-NEXT:  quant.dcast
// CHECK-NEXT:  nn.add {{.*}} {placed_by = "quantize-ops: operands and result are not all quantized per tensor to 8 bits", precision = #nn<precision f32>} : (tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT:  quant.qcast
// CHECK-NEXT:  nn.mul {{.*}} {placed_by = "quantize-ops: {{.*}}", precision = #nn<precision f32>} : (tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT:  quant.qcast
// CHECK-NEXT:  nn.sub {{.*}} {precision = #nn<precision f32>} : (tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT:  quant.qcast
func.func @guards(%a : tensor<4x!quant.uniform<u8:f32, 0.5>>, %x : tensor<4xf32>) -> (tensor<4xf32>, tensor<4x!quant.uniform<u8:f32, 0.75>>, tensor<4x!quant.uniform<u8:f32, 0.75>>, tensor<4x!quant.uniform<u8:f32, 0.75>>) {
  %0 = quant.dcast %a : tensor<4x!quant.uniform<u8:f32, 0.5>> -> tensor<4xf32>
  %1 = nn.add %0, %0 {precision = #nn<precision int8>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = quant.qcast %1 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.75>>
  %3 = nn.mul %0, %x {precision = #nn<precision int8>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = quant.qcast %3 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.75>>
  %5 = nn.sub %0, %0 {precision = #nn<precision f32>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %6 = quant.qcast %5 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.75>>
  func.return %1, %2, %4, %6 : tensor<4xf32>, tensor<4x!quant.uniform<u8:f32, 0.75>>, tensor<4x!quant.uniform<u8:f32, 0.75>>, tensor<4x!quant.uniform<u8:f32, 0.75>>
}
