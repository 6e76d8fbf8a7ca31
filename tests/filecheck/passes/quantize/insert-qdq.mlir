// RUN: octet-opt %s -p "insert-qdq" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "insert-qdq,insert-qdq" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "insert-qdq{float-results=false activation-type=s8}" --split-input-file | filecheck %s --check-prefix=SIGNED

// One pair on the input for two users, one weight for both, none on the results: nothing in int8
// uses them.
// CHECK-LABEL: @shared
// CHECK-NEXT:  %[[Q:.*]] = quant.qcast %x : tensor<1x2x4x4xf32> -> tensor<1x2x4x4x!quant.uniform<u8:f32, 1.0:1>>
// CHECK-NEXT:  %[[X:.*]] = quant.dcast %[[Q]]
// CHECK-NEXT:  %[[W:.*]] = nn.constant <value = #nn.weight<"{{.*}}">> {origin = #nn.weight<"{{.*}}">} : () -> tensor<2x2x1x1x!quant.uniform<i8<-127:127>:f32:0, {0.5, 0.5}>>
// CHECK-NEXT:  %[[V:.*]] = quant.dcast %[[W]]
// CHECK-NEXT:  %[[A:.*]] = nn.conv %[[X]], %[[V]]
// CHECK-NEXT:  %[[B:.*]] = nn.conv %[[X]], %[[V]]
// CHECK-NEXT:  func.return %[[A]], %[[B]]
// SIGNED-LABEL: @shared
// SIGNED-NEXT:  quant.qcast %x : tensor<1x2x4x4xf32> -> tensor<1x2x4x4x!quant.uniform<i8:f32, 1.0:-127>>
// SIGNED:       nn.conv
// SIGNED-NEXT:  quant.qcast
// SIGNED-NEXT:  quant.dcast
// SIGNED-NEXT:  nn.conv
// SIGNED-NEXT:  quant.qcast
// SIGNED-NEXT:  quant.dcast
func.func @shared(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 254.0>}) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %w = nn.constant <value = dense<63.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision int8>, range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision int8>, range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %0, %1 : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}

// -----

// A residual of a result that stays float is added in float; the clamp moves behind it.
// CHECK-LABEL: @residual
// CHECK:       %[[Y:.*]] = nn.conv %{{.*}}, %{{.*}} <dilations
// CHECK-NEXT:  %[[S:.*]] = nn.add %[[Y]], %x {layer = "last", placed_by = "insert-qdq: the result of last stays float", precision = #nn<precision f32>}
// CHECK-NEXT:  %[[R:.*]] = nn.relu %[[S]]
// CHECK-NEXT:  func.return %[[R]]
func.func @residual(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<1.0> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w, residual = %x <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1, activation = #nn.activation<relu>> {layer = "last", precision = #nn<precision int8>, range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %0 : tensor<1x2x4x4xf32>
}

// -----

// Nothing is placed in int8, or what is has no range.
// CHECK-LABEL: @untouched
// CHECK-NOT:   quant.
// CHECK:       placed_by = "insert-qdq: no calibrated range on operand x", precision = #nn<precision f32>
// CHECK-NOT:   quant.
func.func @untouched(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<1.0> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision f32>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision int8>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %1 : tensor<1x2x4x4xf32>
}

// -----

// Below -2 GELU rounds to 0 in steps of 0.1, so the integers of its operand begin there. The
// operand of the second has another user, which sees all of it.
// CHECK-LABEL: @saturates
// CHECK:       nn.matmul
// CHECK-NEXT:  quant.qcast %{{.*}} : tensor<1x2xf32> -> tensor<1x2x!quant.uniform<u8:f32, 0.10666{{.*}}:18>>
// CHECK:       nn.matmul
// CHECK-NEXT:  quant.qcast %{{.*}} : tensor<1x2xf32> -> tensor<1x2x!quant.uniform<u8:f32, 0.2{{.*}}:127>>
func.func @saturates(%x : tensor<1x2xf32> {nn.range = array<f64: -25.5, 25.5>}) -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) {
  %w = nn.constant <value = dense<1.0> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %0 = nn.matmul %x, %w {precision = #nn<precision int8>, range = array<f64: -25.5, 25.5>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = nn.gelu %0 <approximate = "none"> {precision = #nn<precision int8>, range = array<f64: -0.17, 25.33>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %v = nn.constant <value = dense<2.0> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %2 = nn.matmul %x, %v {precision = #nn<precision int8>, range = array<f64: -25.5, 25.5>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %3 = nn.gelu %2 <approximate = "none"> {precision = #nn<precision int8>, range = array<f64: -0.17, 25.33>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  func.return %1, %2, %3 : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>
}
