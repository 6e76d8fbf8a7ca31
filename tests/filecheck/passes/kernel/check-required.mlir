// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"name:stem=int8\",\"name:act=int8\",\"name:norm=bf16\"},number-ops,require-precision{int8=\"name:stem\",\"type:conv\",\"name:act\" bf16=\"type:softmax\" f32=\"name:add\"},insert-qdq,insert-casts,quantize-ops,fuse-lookup-table,assign-layout,lower-to-kernel,fuse-loops{min-elements=1},plan-memory,check-required,check-required" | filecheck %s
// RUN: not octet-opt %s -p "place-precision{precision=f32 rules=\"name:stem=int8\",\"name:act=int8\"},number-ops,require-precision{int8=\"name:act\",\"name:norm\" bf16=\"index:[1]\"},insert-qdq,quantize-ops,fuse-lookup-table,assign-layout,lower-to-kernel,fuse-loops{min-elements=1},plan-memory,check-required" 2>&1 | filecheck %s --check-prefix=FAILS
// RUN: not octet-opt %s -p "place-precision{precision=f32 rules=\"name:stem=int8\"},number-ops,require-precision{int8=\"name:add\"},check-required" 2>&1 | filecheck %s --check-prefix=EARLY

// Everything ends as required: the sigmoid is a table of bytes.
// CHECK: octet.required
// CHECK: kernel.call "conv" {{.*}}index = array<i64: 0>, layer = "stem"
// CHECK: kernel.call "lookup" {{.*}}index = array<i64: 1>, layer = "act"
// CHECK: index = array<i64: 2>, layer = "norm", placed_by = "name:norm=bf16: user"
// CHECK: kernel.call "add" {{.*}}index = array<i64: 3>, layer = "add"

// FAILS: error: 2 op(s) did not end at the precision required: op 1 'act' as lookup
// FAILS-SAME: (required to be bf16 by 'index:[1]') ended in int8 (name:act=int8: user)
// FAILS-SAME: ; op 2 'norm' as softmax (required to be int8 by 'name:norm') ended in f32 (default: precision=f32)

// Before there are kernels, what counts is what ops are placed in.
// EARLY: op 3 'add' as nn.add (required to be int8 by 'name:add') ended in f32 (default: precision=f32)

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "stem", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.sigmoid %0 {layer = "act", range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.softmax %1 <axis = 1> {layer = "norm"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %3 = nn.add %2, %x {layer = "add"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %3 : tensor<1x2x4x4xf32>
}
