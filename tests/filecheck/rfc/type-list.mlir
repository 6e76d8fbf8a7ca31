// A list of op types: these become int8, all others stay float.
// RUN: octet-opt %s -p "place-precision{op-types=conv}" | filecheck %s

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -2.1, 2.6>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // CHECK: nn.conv {{.*}}layer = "first", placed_by = "op-types: conv is listed", precision = #nn<precision int8>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "second", placed_by = "op-types: conv is listed", precision = #nn<precision int8>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.sigmoid {{.*}}placed_by = "op-types: sigmoid is not listed", precision = #nn<precision f32>
  %2 = nn.sigmoid %1 {layer = "act", range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %2 : tensor<1x2x4x4xf32>
}
