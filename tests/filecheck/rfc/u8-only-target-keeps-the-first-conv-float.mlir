// A target whose int8 activations have no sign leaves the convolution of a signed image in float and
// says why; the host, with zero points, quantizes it. The second one sees a ReLU's result.
// RUN: octet-opt %s --hardware u8-activations-only -p "place-precision" | filecheck %s --check-prefix=U8
// RUN: octet-opt %s --hardware u8-activations-only -p "place-precision,insert-qdq" | filecheck %s --check-prefix=QDQ
// RUN: octet-opt %s --hardware host -p "place-precision" | filecheck %s --check-prefix=HOST

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -2.1, 2.6>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // U8: nn.conv {{.*}}layer = "first", placed_by = "target u8-activations-only: operand x of conv is signed (range -2.1 .. 2.6), int8 activations are u8 with zero point 0 only", precision = #nn<precision f32>
  // HOST: nn.conv {{.*}}layer = "first", placed_by = "default: target host runs conv in int8", precision = #nn<precision int8>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.relu %0 {layer = "relu", range = array<f64: 0.0, 3.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // U8: nn.conv {{.*}}layer = "second", {{.*}}precision = #nn<precision int8>
  // HOST: nn.conv {{.*}}layer = "second", {{.*}}precision = #nn<precision int8>
  // QDQ: func.func @main
  // QDQ-NEXT: nn.constant
  // QDQ-NEXT: nn.constant
  // QDQ-NEXT: quant.dcast
  // QDQ-NEXT: nn.conv %x, {{.*}}layer = "first"
  // QDQ-NEXT: nn.relu
  // QDQ-NEXT: quant.qcast %{{.*}} : tensor<1x2x4x4xf32> -> tensor<1x2x4x4x!quant.uniform<u8:f32, {{[^:>]*}}>>
  // QDQ: nn.conv {{.*}}layer = "second"
  // QDQ-NOT: quant.qcast
  %2 = nn.conv %1, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second", range = array<f64: -3.0, 3.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %2 : tensor<1x2x4x4xf32>
}
