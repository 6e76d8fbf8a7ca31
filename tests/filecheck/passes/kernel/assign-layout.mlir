// RUN: octet-opt %s -p "assign-layout" | filecheck %s
// RUN: octet-opt %s -p "assign-layout,assign-layout" | filecheck %s

// Convolutions work channels-last; the elementwise op before one follows its user, the one after
// follows its operand.
// CHECK-LABEL: func.func @main
func.func @main(%x : tensor<1x4x8x8xf32>, %w : tensor<4x4x1x1xf32>) -> (tensor<1x4x8x8xf32>, tensor<4x8xf32>, tensor<1x256xf32>) {
  // CHECK: nn.relu {{.*}} {layouts = ["nhwc"]}
  %0 = nn.relu %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.conv {{.*}} {layouts = ["nhwc"]}
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  // CHECK: nn.sigmoid {{.*}} {layouts = ["nhwc"]}
  %2 = nn.sigmoid %1 : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // Nothing here works channels-last.
  // CHECK: nn.tanh {{.*}} {layouts = ["dense"]}
  %3 = nn.tanh %x : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  // Two dimensions have no channels.
  // CHECK: nn.reduce_max {{.*}} {layouts = ["dense"]}
  %4 = nn.reduce_max %2 <axes = [0, 3], keepdims = false> : (tensor<1x4x8x8xf32>) -> tensor<4x8xf32>
  // A reshape walks the elements in the order of the shape.
  // CHECK: nn.reshape {{.*}} {layouts = ["dense"]}
  %5 = nn.reshape %2 <shape = [-2, -1]> : (tensor<1x4x8x8xf32>) -> tensor<1x256xf32>
  func.return %3, %4, %5 : tensor<1x4x8x8xf32>, tensor<4x8xf32>, tensor<1x256xf32>
}
