// RUN: octet-opt %s --split-input-file -p "assign-layout,lower-to-kernel,alias-concat,alias-slice,plan-memory" | filecheck %s
// RUN: octet-opt %s --split-input-file -p "assign-layout,lower-to-kernel,alias-concat,alias-slice,plan-memory,alias-slice,plan-memory" | filecheck %s

// The halves of the channels are read where they are; negative bounds count from the end.
// CHECK-LABEL: func.func @main
// CHECK: [[X:%[0-9]+]] = kernel.call "max_pool" {{.*}} -> memref<2x8x3x3xf32, #kernel.buffer<nhwc, at = [[AT:[0-9]+]]>>
// CHECK-NOT: kernel.call "slice"
// CHECK: kernel.part [[X]] <axis = 1, start = 0, stop = 4> {{.*}} -> memref<2x4x3x3xf32, #kernel.buffer<nhwc, window = [1, 0, 8], at = [[AT]]>>
// CHECK: kernel.part [[X]] <axis = 1, start = -4, stop = {{[0-9]+}}> {layer = "last"} {{.*}} window = [1, 4, 8], at = [[AT]]
func.func @main(%x : tensor<2x8x6x6xf32>) -> (tensor<2x4x3x3xf32>, tensor<2x4x1x1xf32>) {
  %0 = nn.max_pool %x <kernel = [2, 2], strides = [2, 2], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<2x8x6x6xf32>) -> tensor<2x8x3x3xf32>
  %1 = nn.slice %0 <starts = [0, 0, 0, 0], ends = [2, 4, 3, 3], steps = [1, 1, 1, 1]> : (tensor<2x8x3x3xf32>) -> tensor<2x4x3x3xf32>
  %2 = nn.slice %0 <starts = [0, -4, 0, 0], ends = [2, 8, 3, 3], steps = [1, 1, 1, 1]> {layer = "last"} : (tensor<2x8x3x3xf32>) -> tensor<2x4x3x3xf32>
  %3 = nn.relu %1 : (tensor<2x4x3x3xf32>) -> tensor<2x4x3x3xf32>
  %4 = nn.max_pool %2 <kernel = [3, 3], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<2x4x3x3xf32>) -> tensor<2x4x1x1xf32>
  func.return %3, %4 : tensor<2x4x3x3xf32>, tensor<2x4x1x1xf32>
}

// -----

// A part of a part, of an input, and of a window of a concatenation.
// CHECK-LABEL: func.func @main
// CHECK: kernel.part {{.*}} <axis = 1, start = 1, stop = 5> {{.*}} window = [1, 1, 6]
// CHECK: kernel.part {{.*}} <axis = 1, start = 2, stop = 4> {{.*}} window = [1, 3, 6]
// CHECK: kernel.call "neg" {{.*}} window = [1, 4, 8]
// CHECK: kernel.part {{.*}} <axis = 1, start = 0, stop = 2> {{.*}} window = [1, 4, 8]
func.func @main(%x : tensor<2x6xf32>, %y : tensor<2x4xf32>) -> (tensor<2x2xf32>, tensor<2x8xf32>, tensor<2x2xf32>) {
  %0 = nn.slice %x <starts = [0, 1], ends = [2, 5], steps = [1, 1]> : (tensor<2x6xf32>) -> tensor<2x4xf32>
  %1 = nn.slice %0 <starts = [0, 2], ends = [2, 4], steps = [1, 1]> : (tensor<2x4xf32>) -> tensor<2x2xf32>
  %2 = nn.relu %1 : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = nn.neg %y : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = nn.abs %y : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = nn.concat %4, %3 <axis = 1> : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x8xf32>
  %6 = nn.relu %5 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %7 = nn.slice %3 <starts = [0, 0], ends = [2, 2], steps = [1, 1]> : (tensor<2x4xf32>) -> tensor<2x2xf32>
  %8 = nn.relu %7 : (tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %2, %6, %8 : tensor<2x2xf32>, tensor<2x8xf32>, tensor<2x2xf32>
}

// -----

// Not an output, steps, two dimensions, what is reshaped, or what is multiplied as a matrix.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-5: kernel.call "slice"
// CHECK-NOT: kernel.part
func.func @main(%x : tensor<4x6xf32>, %w : tensor<2x2xf32>) -> (tensor<2x6xf32>, tensor<4x3xf32>, tensor<2x3xf32>, tensor<12xf32>, tensor<4x2xf32>) {
  %0 = nn.slice %x <starts = [0, 0], ends = [2, 6], steps = [1, 1]> : (tensor<4x6xf32>) -> tensor<2x6xf32>
  %1 = nn.slice %x <starts = [0, 0], ends = [4, 6], steps = [1, 2]> : (tensor<4x6xf32>) -> tensor<4x3xf32>
  %2 = nn.relu %1 : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %3 = nn.slice %x <starts = [1, 2], ends = [3, 5], steps = [1, 1]> : (tensor<4x6xf32>) -> tensor<2x3xf32>
  %4 = nn.relu %3 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %5 = nn.slice %x <starts = [2, 0], ends = [4, 6], steps = [1, 1]> : (tensor<4x6xf32>) -> tensor<2x6xf32>
  %6 = nn.reshape %5 <shape = [12]> : (tensor<2x6xf32>) -> tensor<12xf32>
  %7 = nn.relu %6 : (tensor<12xf32>) -> tensor<12xf32>
  %8 = nn.slice %x <starts = [0, 4], ends = [4, 6], steps = [1, 1]> : (tensor<4x6xf32>) -> tensor<4x2xf32>
  %9 = nn.matmul %8, %w : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  func.return %0, %2, %4, %7, %9 : tensor<2x6xf32>, tensor<4x3xf32>, tensor<2x3xf32>, tensor<12xf32>, tensor<4x2xf32>
}

// -----

// The reader's padding needs a halo, which the whole has not; along rows a halo would be in the way.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: kernel.call "slice"
// CHECK-NOT: kernel.part
func.func @main(%x : tensor<1x4x4x4xf32>) -> (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>, tensor<1x2x2x4xf32>) {
  %w = nn.constant <value = dense<1.0> : tensor<1x2x3x3xf32>> : () -> tensor<1x2x3x3xf32>
  %0 = nn.max_pool %x <kernel = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %1 = nn.slice %0 <starts = [0, 0, 0, 0], ends = [1, 2, 4, 4], steps = [1, 1, 1, 1]> : (tensor<1x4x4x4xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.conv %1, %w <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "a"} : (tensor<1x2x4x4xf32>, tensor<1x2x3x3xf32>) -> tensor<1x1x4x4xf32>
  %3 = nn.max_pool %1 <kernel = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %4 = nn.conv %3, %w <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "b"} : (tensor<1x2x4x4xf32>, tensor<1x2x3x3xf32>) -> tensor<1x1x4x4xf32>
  %5 = nn.slice %3 <starts = [0, 0, 1, 0], ends = [1, 2, 3, 4], steps = [1, 1, 1, 1]> : (tensor<1x2x4x4xf32>) -> tensor<1x2x2x4xf32>
  %6 = nn.max_pool %5 <kernel = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32>
  func.return %2, %4, %6 : tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>, tensor<1x2x2x4xf32>
}
