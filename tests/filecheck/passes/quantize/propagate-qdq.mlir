// RUN: octet-opt %s -p "propagate-qdq" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "propagate-qdq,propagate-qdq" --split-input-file | filecheck %s

// A dequantize sinks; its other user keeps it.
// CHECK-LABEL: @sink
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %q
// CHECK-NEXT:  %[[T:.*]] = nn.transpose %q <permutation = [1, 0]> {placed_by = "movement: the integers of its neighbours pass through", precision = #nn<precision int8>} : (tensor<2x4x!quant.uniform<i8:f32:0, {1.0, 2.0}>>) -> tensor<4x2x!quant.uniform<i8:f32:1, {1.0, 2.0}>>
// CHECK-NEXT:  %[[R:.*]] = quant.dcast %[[T]]
// CHECK-NEXT:  func.return %[[D]], %[[R]]
func.func @sink(%q : tensor<2x4x!quant.uniform<i8:f32:0, {1.0, 2.0}>>) -> (tensor<2x4xf32>, tensor<4x2xf32>) {
  %0 = quant.dcast %q : tensor<2x4x!quant.uniform<i8:f32:0, {1.0, 2.0}>> -> tensor<2x4xf32>
  %1 = nn.transpose %0 <permutation = [1, 0]> : (tensor<2x4xf32>) -> tensor<4x2xf32>
  func.return %0, %1 : tensor<2x4xf32>, tensor<4x2xf32>
}

// -----

// A quantize hoists.
// CHECK-LABEL: @hoist
// CHECK-NEXT:  %[[Q:.*]] = quant.qcast %x
// CHECK-NEXT:  %[[P:.*]] = nn.max_pool %[[Q]]
// CHECK-NEXT:  func.return %[[P]]
func.func @hoist(%x : tensor<1x1x4x4xf32>) -> tensor<1x1x2x2x!quant.uniform<u8:f32, 0.5:3>> {
  %0 = nn.max_pool %x <kernel = [2, 2], strides = [2, 2], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<1x1x4x4xf32>) -> tensor<1x1x2x2xf32>
  %1 = quant.qcast %0 : tensor<1x1x2x2xf32> -> tensor<1x1x2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return %1 : tensor<1x1x2x2x!quant.uniform<u8:f32, 0.5:3>>
}

// -----

// Not past a program output, not through a slice, not from two types, not where an op was placed
// in float, and not where a pad value lies between two steps.
// CHECK-LABEL: @guards
// CHECK-NEXT:  nn.reshape %x <shape = [8]> : (tensor<2x4xf32>) -> tensor<8xf32>
// CHECK-NEXT:  quant.qcast
// CHECK-NEXT:  nn.slice %x <{{.*}}> : (tensor<2x4xf32>)
// CHECK-NEXT:  quant.qcast
// CHECK-NEXT:  quant.dcast
// CHECK-NEXT:  quant.dcast
// CHECK-NEXT:  nn.concat {{.*}} : (tensor<8xf32>, tensor<8xf32>)
// CHECK-NEXT:  nn.reshape {{.*}} : (tensor<8xf32>)
// CHECK-NEXT:  nn.pad {{.*}} : (tensor<8xf32>)
func.func @guards(%x : tensor<2x4xf32>, %a : tensor<8x!quant.uniform<u8:f32, 0.5>>, %b : tensor<8x!quant.uniform<u8:f32, 0.25>>) -> (tensor<8xf32>, tensor<8x!quant.uniform<u8:f32, 0.5>>, tensor<1x4x!quant.uniform<u8:f32, 0.5>>, tensor<16xf32>, tensor<2x4xf32>, tensor<9xf32>) {
  %0 = nn.reshape %x <shape = [8]> : (tensor<2x4xf32>) -> tensor<8xf32>
  %1 = quant.qcast %0 : tensor<8xf32> -> tensor<8x!quant.uniform<u8:f32, 0.5>>
  %2 = nn.slice %x <starts = [0, 0], ends = [1, 4], steps = [1, 1]> : (tensor<2x4xf32>) -> tensor<1x4xf32>
  %3 = quant.qcast %2 : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 0.5>>
  %4 = quant.dcast %a : tensor<8x!quant.uniform<u8:f32, 0.5>> -> tensor<8xf32>
  %5 = quant.dcast %b : tensor<8x!quant.uniform<u8:f32, 0.25>> -> tensor<8xf32>
  %6 = nn.concat %4, %5 <axis = 0> : (tensor<8xf32>, tensor<8xf32>) -> tensor<16xf32>
  %7 = nn.reshape %4 <shape = [2, 4]> {precision = #nn<precision f32>} : (tensor<8xf32>) -> tensor<2x4xf32>
  %8 = nn.pad %4 <pads = [0, 1], mode = "constant", value = 0.3> : (tensor<8xf32>) -> tensor<9xf32>
  func.return %0, %1, %3, %6, %7, %8 : tensor<8xf32>, tensor<8x!quant.uniform<u8:f32, 0.5>>, tensor<1x4x!quant.uniform<u8:f32, 0.5>>, tensor<16xf32>, tensor<2x4xf32>, tensor<9xf32>
}

// -----

// A ReLU goes where the zero point is the least stored value, before and after; not elsewhere.
// CHECK-LABEL: @clamps
// CHECK-NEXT:  nn.sigmoid %x {absorbed = ["relu"], layer = "sigmoid"}
// CHECK-NEXT:  nn.relu
// CHECK-NEXT:  %[[Q:.*]] = quant.qcast %0
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %[[Q]]
// CHECK-NEXT:  quant.qcast
// CHECK-NEXT:  quant.dcast
// CHECK-NEXT:  %[[R:.*]] = nn.relu
// CHECK-NEXT:  func.return %[[D]], %[[R]]
func.func @clamps(%x : tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = nn.sigmoid %x {layer = "sigmoid"} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.relu %0 {layer = "relu"} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = quant.qcast %1 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.5>>
  %3 = quant.dcast %2 : tensor<4x!quant.uniform<u8:f32, 0.5>> -> tensor<4xf32>
  %4 = nn.relu %3 : (tensor<4xf32>) -> tensor<4xf32>
  %5 = quant.qcast %1 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.5:1>>
  %6 = quant.dcast %5 : tensor<4x!quant.uniform<u8:f32, 0.5:1>> -> tensor<4xf32>
  %7 = nn.relu %6 : (tensor<4xf32>) -> tensor<4xf32>
  func.return %4, %7 : tensor<4xf32>, tensor<4xf32>
}
