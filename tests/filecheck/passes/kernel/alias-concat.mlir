// RUN: octet-opt %s --split-input-file -p "assign-layout,lower-to-kernel,alias-concat,plan-memory" | filecheck %s
// RUN: octet-opt %s --split-input-file -p "assign-layout,lower-to-kernel,alias-concat,plan-memory,alias-concat,plan-memory" | filecheck %s

// Both pools write into the buffer of the concatenation, where their other readers find them.
// CHECK-LABEL: func.func @main
// CHECK: kernel.call "max_pool" {{.*}} -> memref<2x4x3x3xf32, #kernel.buffer<nhwc, window = [1, 0, 8], at = [[AT:[0-9]+]]>>
// CHECK: kernel.call "max_pool" {{.*}} -> memref<2x4x3x3xf32, #kernel.buffer<nhwc, window = [1, 4, 8], at = [[AT]]>>
// CHECK: kernel.call "relu" {{.*}}nhwc, window = [1, 0, 8]
// CHECK-NOT: kernel.call "concat"
// CHECK: kernel.join {{.*}} <axis = 1> {layer = "both"} {{.*}} -> memref<2x8x3x3xf32, #kernel.buffer<nhwc, at = [[AT]]>>
func.func @main(%x : tensor<2x4x6x6xf32>) -> (tensor<2x8x1x1xf32>, tensor<2x4x1x1xf32>) {
  %0 = nn.max_pool %x <kernel = [2, 2], strides = [2, 2], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<2x4x6x6xf32>) -> tensor<2x4x3x3xf32>
  %1 = nn.max_pool %x <kernel = [4, 4], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<2x4x6x6xf32>) -> tensor<2x4x3x3xf32>
  %2 = nn.relu %0 : (tensor<2x4x3x3xf32>) -> tensor<2x4x3x3xf32>
  %3 = nn.concat %0, %1 <axis = 1> {layer = "both"} : (tensor<2x4x3x3xf32>, tensor<2x4x3x3xf32>) -> tensor<2x8x3x3xf32>
  %4 = nn.max_pool %3 <kernel = [3, 3], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<2x8x3x3xf32>) -> tensor<2x8x1x1xf32>
  %5 = nn.max_pool %2 <kernel = [3, 3], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<2x4x3x3xf32>) -> tensor<2x4x1x1xf32>
  func.return %4, %5 : tensor<2x8x1x1xf32>, tensor<2x4x1x1xf32>
}

// -----

// A dense block grows in one buffer: the second concatenation begins with the first.
// CHECK-LABEL: func.func @main
// CHECK: kernel.call "relu" {{.*}} window = [1, 0, 6]
// CHECK: kernel.call "neg" {{.*}} window = [1, 2, 6]
// CHECK: [[FIRST:%[0-9]+]] = kernel.join {{.*}} -> memref<1x4xf32, #kernel.buffer<dense, window = [1, 0, 6]
// CHECK: kernel.call "abs" {{.*}} window = [1, 4, 6]
// CHECK: kernel.join [[FIRST]], {{.*}} -> memref<1x6xf32, #kernel.buffer<dense, at
func.func @main(%x : tensor<1x2xf32>) -> (tensor<1x4xf32>, tensor<1x6xf32>) {
  %0 = nn.relu %x : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %1 = nn.neg %x : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %2 = nn.concat %0, %1 <axis = 1> : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x4xf32>
  %3 = nn.abs %2 : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %4 = nn.abs %x : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %5 = nn.concat %0, %1, %4 <axis = 1> : (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x6xf32>
  %6 = nn.neg %5 : (tensor<1x6xf32>) -> tensor<1x6xf32>
  func.return %3, %6 : tensor<1x4xf32>, tensor<1x6xf32>
}

// -----

// An input, and an operand that comes twice, are copied into their places.
// CHECK-LABEL: func.func @main
// CHECK: kernel.call "neg" {{.*}} window = [0, 4, 10]
// CHECK: kernel.call "relu" {{.*}} -> memref<2xf32, #kernel.buffer<dense, at
// CHECK-COUNT-3: kernel.call "copy"
// CHECK: kernel.join
func.func @main(%x : tensor<4xf32>, %y : tensor<2xf32>) -> tensor<10xf32> {
  %0 = nn.neg %y : (tensor<2xf32>) -> tensor<2xf32>
  %1 = nn.relu %y : (tensor<2xf32>) -> tensor<2xf32>
  %2 = nn.concat %x, %0, %1, %1 <axis = 0> : (tensor<4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<10xf32>
  func.return %2 : tensor<10xf32>
}

// -----

// Not an input, an output, a constant, a reshape, or what is multiplied as a matrix.
// CHECK-LABEL: func.func @main
// CHECK-NOT: window
// CHECK: kernel.call "concat"
// CHECK-NOT: kernel.join
func.func @main(%x : tensor<2x2xf32>, %w : tensor<2x2xf32>) -> (tensor<12x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %0 = nn.relu %x : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = nn.neg %x : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = nn.matmul %1, %w : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = nn.abs %x : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %4 = nn.reshape %3 <shape = [4]> : (tensor<2x2xf32>) -> tensor<4xf32>
  %5 = nn.reshape %4 <shape = [2, 2]> : (tensor<4xf32>) -> tensor<2x2xf32>
  %6 = nn.constant <value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  %7 = nn.concat %x, %0, %1, %2, %5, %6 <axis = 0> : (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<12x2xf32>
  func.return %7, %0, %2 : tensor<12x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}

// -----

// The whole gets the halo of its part. Along rows it would be written over: that is no window.
// CHECK-LABEL: func.func @main
// CHECK: kernel.call "relu" {{.*}}nhwc, halo = [1, 1, 1, 1], window = [1, 0, 2]
// CHECK: kernel.call "neg" {{.*}}nhwc, halo = [1, 1, 1, 1], window = [1, 1, 2]
// CHECK: kernel.join {{.*}} <axis = 1> {{.*}} -> memref<1x2x4x4xf32, #kernel.buffer<nhwc, halo = [1, 1, 1, 1], at
// CHECK: kernel.call "concat" {{.*}} <axis = 2>
// CHECK-NOT: kernel.join
func.func @main(%x : tensor<1x1x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x1x8x4xf32>) {
  %w = nn.constant <value = dense<1.0> : tensor<1x1x3x3xf32>> : () -> tensor<1x1x3x3xf32>
  %0 = nn.relu %x : (tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "a"} : (tensor<1x1x4x4xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x4x4xf32>
  %2 = nn.neg %0 : (tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32>
  %3 = nn.max_pool %2 <kernel = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32>
  %4 = nn.concat %0, %2 <axis = 1> : (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32>
  %5 = nn.relu %4 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %6 = nn.concat %1, %3 <axis = 2> : (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>) -> tensor<1x1x8x4xf32>
  %7 = nn.conv %6, %w <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "c"} : (tensor<1x1x8x4xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x8x4xf32>
  func.return %5, %7 : tensor<1x2x4x4xf32>, tensor<1x1x8x4xf32>
}

// -----

// The halo of a part does not fit a whole that must be contiguous, being reshaped: it is copied.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-1: kernel.call "concat"
// CHECK-NOT: window
func.func @main(%x : tensor<1x1x4x4xf32>) -> (tensor<32xf32>, tensor<1x1x4x4xf32>) {
  %w = nn.constant <value = dense<1.0> : tensor<1x1x3x3xf32>> : () -> tensor<1x1x3x3xf32>
  %0 = nn.relu %x : (tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], groups = 1> {layer = "a"} : (tensor<1x1x4x4xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x4x4xf32>
  %2 = nn.concat %0, %0 <axis = 1> : (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32>
  %3 = nn.reshape %2 <shape = [32]> : (tensor<1x2x4x4xf32>) -> tensor<32xf32>
  func.return %3, %1 : tensor<32xf32>, tensor<1x1x4x4xf32>
}
