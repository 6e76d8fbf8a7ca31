// RUN: octet-opt %s -p "round-adaptively" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "round-adaptively,round-adaptively" --split-input-file | filecheck %s

// No data is given: these have nothing that is rounded anew, and are printed as they were.

// A weight that is not a constant: an input of the program.
// CHECK-LABEL: func.func @weight_is_an_input
// CHECK: nn.conv
// CHECK-NOT: rounded_adaptively
func.func @weight_is_an_input(%x : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.1>> {nn.name = "x"}, %w : tensor<2x2x1x1x!quant.uniform<i8:f32, 0.1>> {nn.name = "w"}) -> tensor<1x2x4x4xf32> {
  %xd = quant.dcast %x : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.1>> -> tensor<1x2x4x4xf32>
  %wd = quant.dcast %w : tensor<2x2x1x1x!quant.uniform<i8:f32, 0.1>> -> tensor<2x2x1x1xf32>
  %b = nn.constant <value = dense<1.0> : tensor<2xf32>> : () -> tensor<2xf32>
  %0 = nn.conv %xd, %wd, bias = %b <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "a", precision = #nn<precision int8>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  func.return %0 : tensor<1x2x4x4xf32>
}

// -----

// An op in float.
// CHECK-LABEL: func.func @in_float
// CHECK: nn.matmul
// CHECK-NOT: rounded_adaptively
func.func @in_float(%x : tensor<1x2xf32> {nn.name = "x"}) -> tensor<1x2xf32> {
  %w = nn.constant <value = dense<0.3> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %0 = nn.matmul %x, %w {layer = "a", precision = #nn<precision f32>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %0 : tensor<1x2xf32>
}
