// RUN: octet-opt %s -p "recognize-squeeze-excite" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "recognize-squeeze-excite,recognize-squeeze-excite" --split-input-file | filecheck %s

// CHECK-LABEL: @convolutions
// CHECK-NEXT:  nn.neg %x :
// CHECK-NEXT:  nn.reduce_mean {{.*}} {pattern = "squeeze-excite"}
// CHECK-NEXT:  nn.conv {{.*}} {pattern = "squeeze-excite"}
// CHECK-NEXT:  nn.relu {{.*}} {pattern = "squeeze-excite"}
// CHECK-NEXT:  nn.conv {{.*}} {pattern = "squeeze-excite"}
// CHECK-NEXT:  nn.sigmoid {{.*}} {pattern = "squeeze-excite"}
// CHECK-NEXT:  nn.mul {{.*}} {layer = "scale", pattern = "squeeze-excite"}
// CHECK-NEXT:  nn.relu %{{[0-9]+}} :
func.func @convolutions(%x : tensor<1x4x8x8xf32>, %w : tensor<2x4x1x1xf32>, %v : tensor<4x2x1x1xf32>) -> tensor<1x4x8x8xf32> {
  %0 = nn.neg %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %1 = nn.reduce_mean %0 <axes = [2, 3], keepdims = true> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  %2 = nn.conv %1, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> : (tensor<1x4x1x1xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x1x1xf32>
  %3 = nn.relu %2 : (tensor<1x2x1x1xf32>) -> tensor<1x2x1x1xf32>
  %4 = nn.conv %3, %v <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> : (tensor<1x2x1x1xf32>, tensor<4x2x1x1xf32>) -> tensor<1x4x1x1xf32>
  %5 = nn.sigmoid %4 : (tensor<1x4x1x1xf32>) -> tensor<1x4x1x1xf32>
  %6 = nn.mul %0, %5 {layer = "scale"} : (tensor<1x4x8x8xf32>, tensor<1x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %7 = nn.relu %6 : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  func.return %7 : tensor<1x4x8x8xf32>
}

// -----

// Average pool, matrix products between reshapes, a fused activation, a hard sigmoid.
// CHECK-LABEL: @products
// CHECK-COUNT-7: {pattern = "squeeze-excite"}
func.func @products(%x : tensor<1x4x8x8xf32>, %w : tensor<4x2xf32>, %v : tensor<2x4xf32>) -> tensor<1x4x8x8xf32> {
  %0 = nn.avg_pool %x <kernel = [8, 8], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false, count_include_pad = false> : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  %1 = nn.reshape %0 <shape = [-2, 4]> : (tensor<1x4x1x1xf32>) -> tensor<1x4xf32>
  %2 = nn.matmul %1, %w <activation = #nn.activation<relu>> : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
  %3 = nn.matmul %2, %v : (tensor<1x2xf32>, tensor<2x4xf32>) -> tensor<1x4xf32>
  %4 = nn.hard_sigmoid %3 <alpha = 0.2, beta = 0.5> : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %5 = nn.reshape %4 <shape = [-2, 4, 1, 1]> : (tensor<1x4xf32>) -> tensor<1x4x1x1xf32>
  %6 = nn.mul %5, %x : (tensor<1x4x1x1xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  func.return %6 : tensor<1x4x8x8xf32>
}

// -----

// The gate of another value; a mean over one dimension only; a gate that is an output.
// CHECK-LABEL: @stays
// CHECK-NOT:   squeeze-excite
func.func @stays(%x : tensor<1x4x8xf32>, %y : tensor<1x4x8xf32>, %w : tensor<4x4x1xf32>) -> (tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x1xf32>, tensor<1x4x8xf32>) {
  %0 = nn.reduce_mean %y <axes = [2], keepdims = true> : (tensor<1x4x8xf32>) -> tensor<1x4x1xf32>
  %1 = nn.conv %0, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x1xf32>, tensor<4x4x1xf32>) -> tensor<1x4x1xf32>
  %2 = nn.conv %1, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x1xf32>, tensor<4x4x1xf32>) -> tensor<1x4x1xf32>
  %3 = nn.sigmoid %2 : (tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
  %4 = nn.mul %x, %3 : (tensor<1x4x8xf32>, tensor<1x4x1xf32>) -> tensor<1x4x8xf32>
  %5 = nn.reduce_mean %x <axes = [1], keepdims = true> : (tensor<1x4x8xf32>) -> tensor<1x1x8xf32>
  %6 = nn.expand %5 <shape = [1, 4, 8]> : (tensor<1x1x8xf32>) -> tensor<1x4x8xf32>
  %7 = nn.conv %6, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x8xf32>, tensor<4x4x1xf32>) -> tensor<1x4x8xf32>
  %8 = nn.conv %7, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x8xf32>, tensor<4x4x1xf32>) -> tensor<1x4x8xf32>
  %9 = nn.sigmoid %8 : (tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  %10 = nn.mul %x, %9 : (tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  %11 = nn.reduce_mean %x <axes = [2], keepdims = true> : (tensor<1x4x8xf32>) -> tensor<1x4x1xf32>
  %12 = nn.conv %11, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x1xf32>, tensor<4x4x1xf32>) -> tensor<1x4x1xf32>
  %13 = nn.conv %12, %w <strides = [1], pads = [0, 0], dilations = [1], groups = 1> : (tensor<1x4x1xf32>, tensor<4x4x1xf32>) -> tensor<1x4x1xf32>
  %14 = nn.sigmoid %13 : (tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
  %15 = nn.mul %x, %14 : (tensor<1x4x8xf32>, tensor<1x4x1xf32>) -> tensor<1x4x8xf32>
  func.return %4, %10, %14, %15 : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x1xf32>, tensor<1x4x8xf32>
}
