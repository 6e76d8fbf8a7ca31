// RUN: octet-opt %s -p "squash-casts" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "squash-casts,squash-casts" --split-input-file | filecheck %s

// CHECK-LABEL: @round_trip
// CHECK-NEXT:  func.return %h
func.func @round_trip(%h : tensor<4xbf16>) -> tensor<4xbf16> {
  %0 = nn.cast %h : (tensor<4xbf16>) -> tensor<4xf32>
  %1 = nn.cast %0 : (tensor<4xf32>) -> tensor<4xbf16>
  func.return %1 : tensor<4xbf16>
}

// -----

// CHECK-LABEL: @one_cast
// CHECK-NEXT:  %[[Y:.*]] = nn.cast %h : (tensor<4xbf16>) -> tensor<4xf16>
// CHECK-NEXT:  func.return %[[Y]]
func.func @one_cast(%h : tensor<4xbf16>) -> tensor<4xf16> {
  %0 = nn.cast %h : (tensor<4xbf16>) -> tensor<4xf32>
  %1 = nn.cast %0 : (tensor<4xf32>) -> tensor<4xf16>
  func.return %1 : tensor<4xf16>
}

// -----

// Narrowing rounds: what comes after it must not see the number before. Duplicates become one.
// CHECK-LABEL: @rounds
// CHECK-NEXT:  %[[N:.*]] = nn.cast %x : (tensor<4xf32>) -> tensor<4xf16>
// CHECK-NEXT:  %[[W:.*]] = nn.cast %[[N]] : (tensor<4xf16>) -> tensor<4xf32>
// CHECK-NEXT:  %[[B:.*]] = nn.cast %[[N]] : (tensor<4xf16>) -> tensor<4xbf16>
// CHECK-NEXT:  func.return %[[W]], %[[W]], %[[B]]
func.func @rounds(%x : tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xbf16>) {
  %0 = nn.cast %x : (tensor<4xf32>) -> tensor<4xf16>
  %1 = nn.cast %0 : (tensor<4xf16>) -> tensor<4xf32>
  %2 = nn.cast %x : (tensor<4xf32>) -> tensor<4xf16>
  %3 = nn.cast %2 : (tensor<4xf16>) -> tensor<4xf32>
  %4 = nn.cast %1 : (tensor<4xf32>) -> tensor<4xbf16>
  func.return %1, %3, %4 : tensor<4xf32>, tensor<4xf32>, tensor<4xbf16>
}

// -----

// CHECK-LABEL: @quantized
// CHECK-NEXT:  %[[Q:.*]] = quant.qcast %h : tensor<4xbf16> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %[[Q]] : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4xbf16>
// CHECK-NEXT:  func.return %[[D]]
func.func @quantized(%h : tensor<4xbf16>) -> tensor<4xbf16> {
  %0 = nn.cast %h : (tensor<4xbf16>) -> tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  %2 = quant.dcast %1 : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4xf32>
  %3 = nn.cast %2 : (tensor<4xf32>) -> tensor<4xbf16>
  func.return %3 : tensor<4xbf16>
}

// -----

// Somebody uses the float32 numbers too.
// CHECK-LABEL: @dequantized_for_two
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %q : {{.*}} -> tensor<4xf32>
// CHECK-NEXT:  nn.cast %[[D]]
func.func @dequantized_for_two(%q : tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> (tensor<4xf32>, tensor<4xbf16>) {
  %0 = quant.dcast %q : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4xf32>
  %1 = nn.cast %0 : (tensor<4xf32>) -> tensor<4xbf16>
  func.return %0, %1 : tensor<4xf32>, tensor<4xbf16>
}

// -----

// CHECK-LABEL: @constant
// CHECK-NEXT:  %[[C:.*]] = nn.constant {{.*}}{layer = "c"} : () -> tensor<2xf16>
// CHECK-NEXT:  func.return %[[C]]
func.func @constant() -> tensor<2xf16> {
  %0 = nn.constant <value = dense<[0.1, 2.0]> : tensor<2xf32>> {layer = "c"} : () -> tensor<2xf32>
  %1 = nn.cast %0 : (tensor<2xf32>) -> tensor<2xf16>
  func.return %1 : tensor<2xf16>
}
