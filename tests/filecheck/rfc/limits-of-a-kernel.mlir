// A target's limits on shapes: the reason names the limit and the value.
// RUN: octet-opt %s --hardware %S/Inputs/limited.toml -p "place-precision" | filecheck %s
// RUN: octet-opt %s --hardware %S/Inputs/limited.toml -p "place-precision{precision=bf16}" | filecheck %s --check-prefix=BF16

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -2.1, 2.6>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // CHECK: nn.conv {{.*}}placed_by = "target {{.*}}: 2 channels of x are no multiple of 4", precision = #nn<precision f32>
  // BF16: nn.conv {{.*}}placed_by = "target {{.*}}: kernel size 1 of conv is none of 3", precision = #nn<precision f32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.sigmoid %1 {layer = "act", range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %2 : tensor<1x2x4x4xf32>
}
