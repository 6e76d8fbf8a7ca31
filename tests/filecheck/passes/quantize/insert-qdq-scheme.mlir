// RUN: octet-opt %s -p "insert-qdq" --split-input-file | filecheck %s
// RUN: octet-opt %s -p "insert-qdq,insert-qdq" --split-input-file | filecheck %s

// A scheme goes before the options, key by key; a fixed scale is used as it is, also for a result
// that would stay float.
// CHECK-LABEL: @values
// CHECK:      quant.qcast %x : tensor<1x2x4x4xf32> -> tensor<1x2x4x4x!quant.uniform<i8<-127:127>:f32, 0.007874015718698502>>
// CHECK:      nn.conv {{.*}}layer = "c"
// CHECK-NEXT: quant.qcast %{{.*}} -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>
func.func @values(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 0.5>, nn.scheme = #nn.scheme<narrow_range = true, storage = "s8", symmetric = true>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "c", precision = #nn<precision int8>, range = array<f64: -1.5, 126.0>, scheme = #nn.scheme<scale = [0.5], storage = "u8", zero_point = [3]>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %0 : tensor<1x2x4x4xf32>
}

// -----

// One weight under two schemes is two constants.
// CHECK-LABEL: @weights
// CHECK-DAG:  -> tensor<2x2x1x1x!quant.uniform<i8<-63:63>:f32, 0.007936508394777775>>
// CHECK-DAG:  -> tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.25:1, 0.125}>>
// CHECK-DAG:  -> tensor<2x2x1x1x!quant.uniform<i8<-127:127>:f32:0, {0.003937007859349251, 0.003937007859349251}>>
func.func @weights(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision int8>, weight_scheme = #nn.scheme<per_channel = false, reduce_range = true>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision int8>, weight_scheme = #nn.scheme<scale = [0.25, 0.125], storage = "s8", zero_point = [1, 0]>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision int8>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  func.return %0, %1, %2 : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}

// -----

// Numbers for the result of a movement op between int8 ops.
// CHECK-LABEL: @movement
// CHECK:      nn.transpose
// CHECK-NEXT: quant.qcast %{{.*}} -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.125:7>>
func.func @movement(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x4x2x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %v = nn.constant <value = dense<0.5> : tensor<4x4x1x1xf32>> : () -> tensor<4x4x1x1xf32>
  %0 = nn.transpose %x <permutation = [0, 1, 3, 2]> {range = array<f64: -0.875, 31.0>, scheme = #nn.scheme<scale = [0.125], storage = "u8", zero_point = [7]>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.transpose %0 <permutation = [0, 2, 1, 3]> {range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x4x2x4xf32>
  %2 = nn.conv %1, %v <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {precision = #nn<precision int8>} : (tensor<1x4x2x4xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x2x4xf32>
  func.return %2 : tensor<1x4x2x4xf32>
}
