// RUN: octet-opt %s -p "insert-casts" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "insert-casts,insert-casts" --split-input-file | filecheck %s

// Input and weights are cast, once each, the bias is not; the last convolution gives float32.
// CHECK-LABEL: @chain
// CHECK:       %[[X:.*]] = nn.cast %x : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xbf16>
// CHECK:       %[[W:.*]] = nn.constant {{.*}}{layer = "w"} : () -> tensor<2x2x1x1xbf16>
// CHECK-NOT:   nn.cast %b
// CHECK:       %[[Y:.*]] = nn.conv %[[X]], %[[W]], bias = %b {{.*}} : (tensor<1x2x4x4xbf16>, tensor<2x2x1x1xbf16>, tensor<2xf32>) -> tensor<1x2x4x4xbf16>
// CHECK-NEXT:  %[[WIDE:.*]] = nn.cast %[[Y]] : (tensor<1x2x4x4xbf16>) -> tensor<1x2x4x4xf32>
// CHECK-NEXT:  nn.conv %[[Y]], %[[W]], residual = %[[WIDE]] {{.*}} -> tensor<1x2x4x4xf32>
func.func @chain(%x : tensor<1x2x4x4xf32>, %b : tensor<2xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.3> : tensor<2x2x1x1xf32>> {layer = "w"} : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w, bias = %b <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision bf16>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %0, %w, residual = %0 <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision bf16>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %1 : tensor<1x2x4x4xf32>
}

// -----

// bf16 and f16 side by side, through float32; scale and bias of a norm stay float32.
// CHECK-LABEL: @both
// CHECK:       nn.layer_norm {{.*}} : (tensor<2x4xf16>, tensor<4xf32>) -> tensor<2x4xf16>
// CHECK-NEXT:  %[[F:.*]] = nn.cast {{.*}} : (tensor<2x4xf16>) -> tensor<2x4xf32>
// CHECK-NEXT:  %[[H:.*]] = nn.cast %[[F]] : (tensor<2x4xf32>) -> tensor<2x4xbf16>
// CHECK-NEXT:  nn.relu %[[H]]
func.func @both(%x : tensor<2x4xf32>, %s : tensor<4xf32>) -> tensor<2x4xf32> {
  %0 = nn.layer_norm %x, scale = %s <axis = -1, epsilon = 0.1> {precision = #nn<precision f16>} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %1 = nn.relu %0 {precision = #nn<precision bf16>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %1 : tensor<2x4xf32>
}

// -----

// Not on ops of other precisions, and not on movement.
// CHECK-LABEL: @others
// CHECK-NOT:   nn.cast
func.func @others(%x : tensor<2x4xf32>) -> tensor<4x2xf32> {
  %0 = nn.relu %x {precision = #nn<precision f32>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.sigmoid %0 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = nn.transpose %1 <permutation = [1, 0]> {precision = #nn<precision bf16>} : (tensor<2x4xf32>) -> tensor<4x2xf32>
  func.return %2 : tensor<4x2xf32>
}
