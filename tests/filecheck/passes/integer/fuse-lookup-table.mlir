// RUN: octet-opt %s -p "fuse-lookup-table" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "fuse-lookup-table,fuse-lookup-table" --split-input-file | filecheck %s

// A chain with a constant number in it, then a change of scale: one table.
// CHECK-LABEL: @chain
// CHECK-NEXT:  %[[L:.*]] = nn.lookup %q <table = #nn.weight<"{{.*}}">> {absorbed = ["half"], layer = "gate", placed_by = {{.*}}, precision = #nn<precision int8>} : (tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x!quant.uniform<i8:f32, 0.01>>
// CHECK-NEXT:  func.return %[[L]]
func.func @chain(%q : tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x!quant.uniform<i8:f32, 0.01>> {
  %half = nn.constant <value = dense<0.5> : tensor<f32>> : () -> tensor<f32>
  %0 = quant.dcast %q : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4xf32>
  %1 = nn.sigmoid %0 {layer = "gate"} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = nn.mul %half, %1 {layer = "half"} : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = quant.qcast %2 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.002>>
  %4 = quant.dcast %3 : tensor<4x!quant.uniform<u8:f32, 0.002>> -> tensor<4xf32>
  %5 = quant.qcast %4 : tensor<4xf32> -> tensor<4x!quant.uniform<i8:f32, 0.01>>
  func.return %5 : tensor<4x!quant.uniform<i8:f32, 0.01>>
}

// -----

// A unary op on integers already.
// CHECK-LABEL: @integer
// CHECK-NEXT:  nn.lookup %q
func.func @integer(%q : tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x!quant.uniform<u8:f32, 0.5:3>> {
  %0 = nn.relu %q : (tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  func.return %0 : tensor<4x!quant.uniform<u8:f32, 0.5:3>>
}

// -----

// The intermediate value of the chain is an output: it is kept, and so are the ops behind it.
// CHECK-LABEL: @other_users
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %q
// CHECK-NEXT:  %[[S:.*]] = nn.sigmoid %[[D]]
// CHECK-NEXT:  %[[L:.*]] = nn.lookup %q
// CHECK-NEXT:  func.return %[[S]], %[[L]]
func.func @other_users(%q : tensor<4x!quant.uniform<u8:f32, 0.5:3>>) -> (tensor<4xf32>, tensor<4x!quant.uniform<u8:f32, 0.01>>) {
  %0 = quant.dcast %q : tensor<4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4xf32>
  %1 = nn.sigmoid %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = quant.qcast %1 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.01>>
  func.return %1, %2 : tensor<4xf32>, tensor<4x!quant.uniform<u8:f32, 0.01>>
}

// -----

// Per channel, 32 bits wide, placed in float, not from integers, or not to them: no table.
// CHECK-LABEL: @guards
// CHECK-NOT:   nn.lookup
// CHECK:       nn.tanh {{.*}} {placed_by = "fuse-lookup-table: not between 8-bit values", precision = #nn<precision f32>}
// CHECK-NOT:   nn.lookup
func.func @guards(%c : tensor<2x!quant.uniform<u8:f32:0, {0.5, 0.25}>>, %w : tensor<2x!quant.uniform<i32:f32, 0.5>>, %q : tensor<2x!quant.uniform<u8:f32, 0.5>>, %x : tensor<2xf32>) -> (tensor<2x!quant.uniform<u8:f32, 0.01>>, tensor<2x!quant.uniform<u8:f32, 0.01>>, tensor<2x!quant.uniform<u8:f32, 0.01>>, tensor<2x!quant.uniform<u8:f32, 0.01>>, tensor<2xf32>) {
  %0 = quant.dcast %c : tensor<2x!quant.uniform<u8:f32:0, {0.5, 0.25}>> -> tensor<2xf32>
  %1 = quant.qcast %0 : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.01>>
  %2 = quant.dcast %w : tensor<2x!quant.uniform<i32:f32, 0.5>> -> tensor<2xf32>
  %3 = quant.qcast %2 : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.01>>
  %4 = quant.dcast %q : tensor<2x!quant.uniform<u8:f32, 0.5>> -> tensor<2xf32>
  %5 = nn.sigmoid %4 {precision = #nn<precision f32>} : (tensor<2xf32>) -> tensor<2xf32>
  %6 = quant.qcast %5 : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.01>>
  %7 = nn.sigmoid %x : (tensor<2xf32>) -> tensor<2xf32>
  %8 = quant.qcast %7 : tensor<2xf32> -> tensor<2x!quant.uniform<u8:f32, 0.01>>
  %9 = nn.tanh %4 {precision = #nn<precision int8>} : (tensor<2xf32>) -> tensor<2xf32>
  func.return %1, %3, %6, %8, %9 : tensor<2x!quant.uniform<u8:f32, 0.01>>, tensor<2x!quant.uniform<u8:f32, 0.01>>, tensor<2x!quant.uniform<u8:f32, 0.01>>, tensor<2x!quant.uniform<u8:f32, 0.01>>, tensor<2xf32>
}
