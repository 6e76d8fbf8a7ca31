// Under a default of f32, movement among f32 ops is f32; where a rule puts 8 or 16 bits beside it, it
// has no precision and passes them on. A rule that names it wins.
// RUN: octet-opt %s -p "place-precision{precision=f32}" | filecheck %s --check-prefix=FLOAT
// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"type:conv=int8\"}" | filecheck %s --check-prefix=BETWEEN
// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"name:second=bf16\"}" | filecheck %s --check-prefix=BEFORE
// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"type:conv=int8\",\"type:reshape=f32\"}" | filecheck %s --check-prefix=NAMED

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2x16x1xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // FLOAT: nn.reshape {{.*}}layer = "middle", placed_by = "default: precision=f32", precision = #nn<precision f32>
  // BETWEEN: nn.reshape
  // BETWEEN-NOT: precision f32
  // BEFORE: nn.reshape
  // BEFORE-NOT: precision f32
  // NAMED: nn.reshape {{.*}}layer = "middle", placed_by = "type:reshape=f32: user", precision = #nn<precision f32>
  %1 = nn.reshape %0 <shape = [1, 2, 8, 2]> {layer = "middle", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x8x2xf32>
  // BETWEEN: nn.conv {{.*}}precision = #nn<precision int8>
  // BEFORE: nn.conv {{.*}}precision = #nn<precision bf16>
  %2 = nn.conv %1, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second", range = array<f64: -1.0, 1.0>} : (tensor<1x2x8x2xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x8x2xf32>
  // FLOAT: nn.reshape {{.*}}layer = "last", placed_by = "default: precision=f32", precision = #nn<precision f32>
  %3 = nn.reshape %2 <shape = [1, 2, 16, 1]> {layer = "last", range = array<f64: -1.0, 1.0>} : (tensor<1x2x8x2xf32>) -> tensor<1x2x16x1xf32>
  func.return %3 : tensor<1x2x16x1xf32>
}
