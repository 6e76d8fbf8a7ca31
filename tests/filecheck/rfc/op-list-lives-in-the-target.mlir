// Which ops may be int8 is said by recipe and target. The model is the same text in every run and
// holds no precision before it is placed.
// RUN: octet-opt %s | filecheck %s --check-prefix=MODEL
// RUN: octet-opt %s --hardware %S/Inputs/no-conv.toml -p "place-precision" | filecheck %s --check-prefix=WITHOUT
// RUN: octet-opt %s --hardware portable -p "place-precision" | filecheck %s --check-prefix=WITH

// MODEL-NOT: precision

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -2.1, 2.6>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // WITHOUT: nn.conv {{.*}}placed_by = "target {{.*}} has no int8 kernel for conv", precision = #nn<precision f32>
  // WITH: nn.conv {{.*}}placed_by = "default: target portable runs conv in int8", precision = #nn<precision int8>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.sigmoid %1 {layer = "act", range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %2 : tensor<1x2x4x4xf32>
}
