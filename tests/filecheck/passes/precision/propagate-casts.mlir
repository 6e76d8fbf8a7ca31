// RUN: octet-opt %s -p "propagate-casts" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "propagate-casts,propagate-casts" --split-input-file | filecheck %s

// CHECK-LABEL: @sink
// CHECK-NEXT:  %[[P:.*]] = nn.max_pool %h {{.*}}precision = #nn<precision bf16>{{.*}} -> tensor<1x2x2x2xbf16>
// CHECK-NEXT:  %[[T:.*]] = nn.transpose %[[P]] {{.*}} -> tensor<1x2x2x2xbf16>
// CHECK-NEXT:  %[[Y:.*]] = nn.cast %[[T]] : (tensor<1x2x2x2xbf16>) -> tensor<1x2x2x2xf32>
// CHECK-NEXT:  func.return %[[Y]]
func.func @sink(%h : tensor<1x2x4x4xbf16>) -> tensor<1x2x2x2xf32> {
  %0 = nn.cast %h : (tensor<1x2x4x4xbf16>) -> tensor<1x2x4x4xf32>
  %1 = nn.max_pool %0 <kernel = [2, 2], strides = [2, 2], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = false> : (tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32>
  %2 = nn.transpose %1 <permutation = [0, 1, 3, 2]> : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  func.return %2 : tensor<1x2x2x2xf32>
}

// -----

// CHECK-LABEL: @hoist
// CHECK-NEXT:  %[[A:.*]] = nn.cast %a
// CHECK-NEXT:  %[[B:.*]] = nn.cast %b
// CHECK-NEXT:  %[[C:.*]] = nn.concat %[[A]], %[[B]] {{.*}} -> tensor<4xf16>
// CHECK-NEXT:  func.return %[[C]]
func.func @hoist(%a : tensor<2xf32>, %b : tensor<2xf32>) -> tensor<4xf16> {
  %0 = nn.concat %a, %b <axis = 0> : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
  %1 = nn.cast %0 : (tensor<4xf32>) -> tensor<4xf16>
  func.return %1 : tensor<4xf16>
}

// -----

// Operands of two types; a fill that bf16 does not have; an op placed in float32; a float user;
// a slice, which would round more than is used.
// CHECK-LABEL: @stay
// CHECK:       nn.concat {{.*}} -> tensor<4xf32>
// CHECK:       nn.pad {{.*}} -> tensor<4xf32>
// CHECK:       nn.reshape {{.*}} -> tensor<1x2xf32>
// CHECK:       nn.transpose {{.*}} -> tensor<2xf32>
// CHECK:       nn.slice {{.*}} -> tensor<1xf32>
func.func @stay(%h : tensor<2xbf16>, %g : tensor<2xf16>, %x : tensor<2xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<1x2xf32>, tensor<2xbf16>, tensor<2xf32>, tensor<1xbf16>) {
  %0 = nn.cast %h : (tensor<2xbf16>) -> tensor<2xf32>
  %1 = nn.cast %g : (tensor<2xf16>) -> tensor<2xf32>
  %2 = nn.concat %0, %1 <axis = 0> : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
  %3 = nn.pad %0 <pads = [1, 1], mode = "constant", value = 0.1> : (tensor<2xf32>) -> tensor<4xf32>
  %4 = nn.reshape %0 <shape = [1, 2]> {precision = #nn<precision f32>} : (tensor<2xf32>) -> tensor<1x2xf32>
  %5 = nn.transpose %x <permutation = [0]> : (tensor<2xf32>) -> tensor<2xf32>
  %6 = nn.cast %5 : (tensor<2xf32>) -> tensor<2xbf16>
  %7 = nn.slice %x <starts = [0], ends = [1], steps = [1]> : (tensor<2xf32>) -> tensor<1xf32>
  %8 = nn.cast %7 : (tensor<1xf32>) -> tensor<1xbf16>
  func.return %2, %3, %4, %6, %5, %8 : tensor<4xf32>, tensor<4xf32>, tensor<1x2xf32>, tensor<2xbf16>, tensor<2xf32>, tensor<1xbf16>
}

// -----

// A table of constants is rounded whole: that happens when compiling.
// CHECK-LABEL: @table
// CHECK:       %[[T:.*]] = nn.cast %{{.*}} : (tensor<3x2xf32>) -> tensor<3x2xbf16>
// CHECK-NEXT:  nn.gather %[[T]], %i {{.*}} -> tensor<4x2xbf16>
func.func @table(%i : tensor<4xi64>) -> tensor<4x2xbf16> {
  %t = nn.constant <value = dense<0.5> : tensor<3x2xf32>> : () -> tensor<3x2xf32>
  %0 = nn.gather %t, %i <axis = 0> : (tensor<3x2xf32>, tensor<4xi64>) -> tensor<4x2xf32>
  %1 = nn.cast %0 : (tensor<4x2xf32>) -> tensor<4x2xbf16>
  func.return %1 : tensor<4x2xbf16>
}
