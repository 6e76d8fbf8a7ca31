// RUN: octet-opt %s -p "merge-pads" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "merge-pads,merge-pads" --split-input-file | filecheck %s

// CHECK-LABEL: @merges
// CHECK-NEXT:   nn.conv %x, %w <{{.*}}pads = [1, 2, 4, 4],{{.*}}> {absorbed = ["Pad_0"], layer = "Conv_1"}
// CHECK-NEXT:   func.return
func.func @merges(%x : tensor<1x4x8x8xf32>, %w : tensor<4x4x3x3xf32>) -> tensor<1x4x11x12xf32> {
  %0 = nn.pad %x <mode = "constant", pads = [0, 0, 1, 1, 0, 0, 3, 4], value = 0.0> {layer = "Pad_0"} : (tensor<1x4x8x8xf32>) -> tensor<1x4x12x13xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 1, 1, 0], dilations = [1, 1], groups = 1> {layer = "Conv_1"} : (tensor<1x4x12x13xf32>, tensor<4x4x3x3xf32>) -> tensor<1x4x11x12xf32>
  func.return %1 : tensor<1x4x11x12xf32>
}

// -----

// Each reader takes the pad in, in one dimension too; an output keeps it.
// CHECK-LABEL: @several_readers
// CHECK-NEXT:   %[[PAD:.*]] = nn.pad
// CHECK-NEXT:   nn.conv %x, %w <{{.*}}pads = [1, 1],
// CHECK-NEXT:   nn.conv %x, %w <{{.*}}pads = [1, 1],
// CHECK-NEXT:   func.return %[[PAD]]
func.func @several_readers(%x : tensor<1x4x8xf32>, %w : tensor<4x4x3xf32>) -> (tensor<1x4x10xf32>, tensor<1x4x8xf32>, tensor<1x4x4xf32>) {
  %0 = nn.pad %x <mode = "constant", pads = [0, 0, 1, 0, 0, 1], value = 0.0> : (tensor<1x4x8xf32>) -> tensor<1x4x10xf32>
  %1 = nn.conv %0, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x10xf32>, tensor<4x4x3xf32>) -> tensor<1x4x8xf32>
  %2 = nn.conv %0, %w <strides = [2], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x10xf32>, tensor<4x4x3xf32>) -> tensor<1x4x4xf32>
  func.return %0, %1, %2 : tensor<1x4x10xf32>, tensor<1x4x8xf32>, tensor<1x4x4xf32>
}

// -----

// Another mode, another value, the channel dimension, cropping, and pooling.
// CHECK-LABEL: @stays
// CHECK: nn.pad
// CHECK-NEXT: nn.conv {{.*}}pads = [0, 0],
// CHECK-NEXT: nn.pad
// CHECK-NEXT: nn.conv {{.*}}pads = [0, 0],
// CHECK-NEXT: nn.pad
// CHECK-NEXT: nn.conv {{.*}}pads = [0, 0],
// CHECK-NEXT: nn.pad
// CHECK-NEXT: nn.conv {{.*}}pads = [0, 0],
// CHECK-NEXT: nn.pad
// CHECK-NEXT: nn.max_pool {{.*}}pads = [0, 0],
func.func @stays(%x : tensor<1x4x8xf32>, %w : tensor<4x4x3xf32>, %v : tensor<4x6x3xf32>) -> (tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x6xf32>, tensor<1x4x6xf32>, tensor<1x4x8xf32>) {
  %0 = nn.pad %x <mode = "edge", pads = [0, 0, 1, 0, 0, 1], value = 0.0> : (tensor<1x4x8xf32>) -> tensor<1x4x10xf32>
  %1 = nn.conv %0, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x10xf32>, tensor<4x4x3xf32>) -> tensor<1x4x8xf32>
  %2 = nn.pad %x <mode = "constant", pads = [0, 0, 1, 0, 0, 1], value = 1.0> : (tensor<1x4x8xf32>) -> tensor<1x4x10xf32>
  %3 = nn.conv %2, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x10xf32>, tensor<4x4x3xf32>) -> tensor<1x4x8xf32>
  %4 = nn.pad %x <mode = "constant", pads = [0, 1, 0, 0, 1, 0], value = 0.0> : (tensor<1x4x8xf32>) -> tensor<1x6x8xf32>
  %5 = nn.conv %4, %v <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x6x8xf32>, tensor<4x6x3xf32>) -> tensor<1x4x6xf32>
  %6 = nn.pad %x <mode = "constant", pads = [0, 0, -1, 0, 0, 1], value = 0.0> : (tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  %7 = nn.conv %6, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x8xf32>, tensor<4x4x3xf32>) -> tensor<1x4x6xf32>
  %8 = nn.pad %x <mode = "constant", pads = [0, 0, 1, 0, 0, 1], value = 0.0> : (tensor<1x4x8xf32>) -> tensor<1x4x10xf32>
  %9 = nn.max_pool %8 <kernel = [3], strides = [1], pads = [0, 0], dilations = [1], ceil_mode = false> : (tensor<1x4x10xf32>) -> tensor<1x4x8xf32>
  func.return %1, %3, %5, %7, %9 : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x6xf32>, tensor<1x4x6xf32>, tensor<1x4x8xf32>
}
