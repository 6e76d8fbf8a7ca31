// RUN: octet-opt %s -p prune-islands | filecheck %s
// RUN: octet-opt %s -p prune-islands,prune-islands | filecheck %s
// RUN: octet-opt %s -p "prune-islands{min-ops=2}" | filecheck %s --check-prefix=OPS
// RUN: octet-opt %s -p "prune-islands{min-gain=1000000}" | filecheck %s --check-prefix=GAIN

// CHECK-LABEL: @main
func.func @main(%x : tensor<1x8x4x4xf32>, %y : tensor<1x64x16x16xf32>) -> (tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x64x16x16xf32>, tensor<1x64x16x16xf32>, tensor<1x8x4x4xf32>) {
  %w = nn.constant <value = dense<0.5> : tensor<8x8x1x1xf32>> : () -> tensor<8x8x1x1xf32>
  %u = nn.constant <value = dense<0.5> : tensor<8x8x3x3xf32>> : () -> tensor<8x8x3x3xf32>
  %v = nn.constant <value = dense<0.5> : tensor<64x64x3x3xf32>> : () -> tensor<64x64x3x3xf32>

  // Between a float op and a float op: quantizing costs more than 128 sums save.
  %0 = nn.exp %x {placed_by = "target: exp", precision = #nn<precision f32>} : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  // GAIN: nn.conv {{.*}}layer = "tiny", placed_by = "cost model: island of 1 op saves
  // CHECK: nn.conv {{.*}}layer = "tiny", placed_by = "cost model: island of 1 op saves {{[0-9.]+}} us, its conversions cost {{[0-9.]+}} us", precision = #nn<precision f32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "tiny", placed_by = "default: conv", precision = #nn<precision int8>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %2 = nn.exp %1 {placed_by = "target: exp", precision = #nn<precision f32>} : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>

  // The same op, which a selector of the user names.
  // CHECK: nn.conv {{.*}}layer = "named", placed_by = "include name:named: user", precision = #nn<precision int8>
  // GAIN: nn.conv {{.*}}layer = "named", placed_by = "include name:named: user", precision = #nn<precision int8>
  %3 = nn.conv %2, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "named", placed_by = "include name:named: user", precision = #nn<precision int8>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>

  // Behind it, the conversions are there anyway: it reads int8, and gives float as readily.
  // CHECK: nn.conv {{.*}}layer = "behind", placed_by = "default: conv", precision = #nn<precision int8>
  // OPS: nn.conv {{.*}}layer = "behind", placed_by = "cost model: island of 1 op, fewer than 2", precision = #nn<precision f32>
  %4 = nn.conv %3, %u <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "behind", placed_by = "default: conv", precision = #nn<precision int8>} : (tensor<1x8x4x4xf32>, tensor<8x8x3x3xf32>) -> tensor<1x8x4x4xf32>

  // A program's input is converted, and the result leaves the program, yet 9 million products pay.
  // CHECK: nn.conv {{.*}}layer = "large", placed_by = "default: conv", precision = #nn<precision int8>
  // OPS: nn.conv {{.*}}layer = "large", placed_by = "default: conv", precision = #nn<precision int8>
  // GAIN: nn.conv {{.*}}layer = "large", placed_by = "cost model: island of 2 ops saves {{[0-9.]+}} us, its conversions cost {{[0-9.]+}} us, less than 1000000 us apart", precision = #nn<precision f32>
  %5 = nn.conv %y, %v <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "large", placed_by = "default: conv", precision = #nn<precision int8>} : (tensor<1x64x16x16xf32>, tensor<64x64x3x3xf32>) -> tensor<1x64x16x16xf32>
  // Seen through movement, it is one island with what it feeds. Its result is used twice.
  %6 = nn.transpose %5 <permutation = [0, 1, 3, 2]> : (tensor<1x64x16x16xf32>) -> tensor<1x64x16x16xf32>
  // CHECK: nn.conv {{.*}}layer = "fed", placed_by = "default: conv", precision = #nn<precision int8>
  %7 = nn.conv %6, %v <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "fed", placed_by = "default: conv", precision = #nn<precision int8>} : (tensor<1x64x16x16xf32>, tensor<64x64x3x3xf32>) -> tensor<1x64x16x16xf32>

  // From an input to an output of the program, its result also used by a float op.
  // CHECK: nn.conv {{.*}}layer = "alone", placed_by = "cost model: island of 1 op saves {{.*}}precision = #nn<precision f32>
  %8 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "alone", placed_by = "default: conv", precision = #nn<precision int8>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %9 = nn.exp %8 {placed_by = "target: exp", precision = #nn<precision f32>} : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>

  // Sixteen bits are pruned likewise; ops of another precision are another island.
  // CHECK: nn.conv {{.*}}layer = "half", placed_by = "cost model: island of 1 op saves {{.*}}precision = #nn<precision f32>
  %10 = nn.conv %9, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "half", placed_by = "default: conv", precision = #nn<precision bf16>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>

  // The model itself quantizes it.
  %11 = quant.qcast %10 : tensor<1x8x4x4xf32> -> tensor<1x8x4x4x!quant.uniform<u8:f32, 0.5:3>>
  %12 = quant.dcast %11 : tensor<1x8x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x8x4x4xf32>
  // CHECK: nn.conv {{.*}}layer = "wrapped", placed_by = "model: Q/DQ in the source", precision = #nn<precision int8>
  // GAIN: nn.conv {{.*}}layer = "wrapped", placed_by = "model: Q/DQ in the source", precision = #nn<precision int8>
  %13 = nn.conv %12, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "wrapped", placed_by = "model: Q/DQ in the source", precision = #nn<precision int8>} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %14 = quant.qcast %13 : tensor<1x8x4x4xf32> -> tensor<1x8x4x4x!quant.uniform<u8:f32, 0.5:3>>
  %15 = quant.dcast %14 : tensor<1x8x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x8x4x4xf32>
  func.return %8, %3, %4, %5, %7, %15 : tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x64x16x16xf32>, tensor<1x64x16x16xf32>, tensor<1x8x4x4xf32>
}
