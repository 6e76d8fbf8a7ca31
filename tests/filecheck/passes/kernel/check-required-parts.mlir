// RUN: not octet-opt %s -p "place-precision,number-ops,require-precision{int8=\"name:sum\"},insert-qdq,quantize-ops,fuse-lookup-table,assign-layout,lower-to-kernel,fuse-loops{min-elements=1},plan-memory,check-required" 2>&1 | filecheck %s --check-prefix=FLOAT
// RUN: octet-opt %s -p "place-precision,number-ops,require-precision{int8=\"name:sum\",\"name:flat\"},insert-qdq{float-results=false},propagate-qdq,squash-qdq,quantize-ops,propagate-qdq,squash-qdq,fuse-lookup-table,assign-layout,lower-to-kernel,fuse-loops{min-elements=1},plan-memory,check-required" | filecheck %s --check-prefix=INTEGER

// The residual of a convolution whose result stays float is added in float behind it: the layer
// that was added did not end in int8, though the convolution did.
// FLOAT: 1 op(s) did not end at the precision required: op 0 'stem' as
// FLOAT-SAME: (required to be int8 by 'name:sum') ended in f32 (insert-qdq: the result of stem stays float)

// Fused, it is added to the integer sums; a reshape is a view of bytes.
// INTEGER: kernel.call "conv" {{.*}}absorbed = ["sum"], index = array<i64: 0>, layer = "stem"
// INTEGER: kernel.view {{.*}}{index = array<i64: 1>, layer = "flat"}

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x32xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w, residual = %x <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {absorbed = ["sum"], layer = "stem", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.reshape %0 <shape = [1, 32]> {layer = "flat", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x32xf32>
  func.return %1 : tensor<1x32xf32>
}
