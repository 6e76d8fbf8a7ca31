// Of a sequence of convolutions the first stays float: it sees the image. By a pattern, whose second
// step is every convolution that a convolution feeds; by its second match on; and by PDL.
// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"pattern(conv->conv)[:, 1]=bf16\"}" | filecheck %s
// RUN: octet-opt %s -p "fuse-activation,place-precision{precision=f32 rules=\"pattern(conv->conv)[:, 1]=bf16\"}" | filecheck %s
// RUN: octet-opt %s -p "fuse-activation,place-precision{precision=f32 rules=\"pdl:%S/second-conv.pdl=bf16\"}" | filecheck %s
// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"pattern(conv->relu->conv)[1:]=bf16\"}" | filecheck %s --check-prefix=MATCH
// RUN: octet-opt %s -p "fuse-activation,place-precision{precision=f32 rules=\"pattern(conv->relu->conv)[1:]=bf16\"}" | filecheck %s --check-prefix=MATCH
// RUN: not octet-opt %s --select "pdl:%S/second-conv.pdl" 2>&1 | filecheck %s --check-prefix=UNFUSED

// A PDL pattern matches the IR as it is: with a ReLU between them, no convolution feeds another.
// UNFUSED: matches no op; of the patterns' roots the program has 5 nn.conv

func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // CHECK: nn.conv {{.*}}layer = "first", placed_by = "default: precision=f32", precision = #nn<precision f32>
  // MATCH: nn.conv {{.*}}layer = "first", placed_by = "default: precision=f32", precision = #nn<precision f32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.relu %0 {layer = "first.act"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "second", placed_by = "{{.*}}=bf16: user", precision = #nn<precision bf16>
  // MATCH: nn.conv {{.*}}layer = "second", placed_by = "pattern(conv->relu->conv)[1:]=bf16: user", precision = #nn<precision bf16>
  %2 = nn.conv %1, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %3 = nn.relu %2 {layer = "second.act"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "third", placed_by = "{{.*}}=bf16: user", precision = #nn<precision bf16>
  // MATCH: nn.conv {{.*}}layer = "third", placed_by = "pattern(conv->relu->conv)[1:]=bf16: user", precision = #nn<precision bf16>
  %4 = nn.conv %3, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "third"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %5 = nn.relu %4 {layer = "third.act"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "fourth", placed_by = "{{.*}}=bf16: user", precision = #nn<precision bf16>
  // MATCH: nn.conv {{.*}}layer = "fourth", placed_by = "pattern(conv->relu->conv)[1:]=bf16: user", precision = #nn<precision bf16>
  %6 = nn.conv %5, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "fourth"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // The sigmoid keeps its own precision: neither pattern names it.
  // CHECK: nn.sigmoid {{.*}}precision = #nn<precision f32>
  // MATCH: nn.sigmoid {{.*}}precision = #nn<precision f32>
  %7 = nn.sigmoid %6 {layer = "gate"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "head", placed_by = "default: precision=f32", precision = #nn<precision f32>
  // MATCH: nn.conv {{.*}}layer = "head", placed_by = "default: precision=f32", precision = #nn<precision f32>
  %8 = nn.conv %7, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "head"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %8 : tensor<1x2x4x4xf32>
}
