// RUN: octet-opt %s -p "number-ops,require-precision{int8=\"type:relu\",\"name:gate\" f32=\"index:[0]\"}" | filecheck %s
// RUN: octet-opt %s -p "number-ops,require-precision{int8=\"type:relu\",\"name:gate\"},require-precision{int8=\"type:relu\" f32=\"index:[0]\"}" | filecheck %s --check-prefix=ADDED
// RUN: octet-opt %s -p "number-ops,require-precision" | filecheck %s --check-prefix=NOTHING
// RUN: not octet-opt %s -p "number-ops,require-precision{bf16=\"name:gat\"}" 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not octet-opt %s -p "require-precision{bf16=\"name:gate\"}" 2>&1 | filecheck %s --check-prefix=NUMBER
// RUN: not octet-opt %s -p "number-ops,assign-layout,lower-to-kernel,require-precision{bf16=\"name:gate\"}" 2>&1 | filecheck %s --check-prefix=LATE

// A name that was fused into an op is a name of that op.
// CHECK: octet.required = {{\[}}["f32", "index:[0]", array<i64: 0>], ["int8", "type:relu", array<i64: 0, 2>], ["int8", "name:gate", array<i64: 1>]]
// ADDED: octet.required = {{\[}}["int8", "type:relu", array<i64: 0, 2>], ["int8", "name:gate", array<i64: 1>], ["f32", "index:[0]", array<i64: 0>]]
// NOTHING-NOT: octet.required
// UNKNOWN: selector 'name:gat' matches no op; nearest: gate
// NUMBER: require-precision: mask has no number; run number-ops before
// LATE: require-precision: 'name:gate' cannot be resolved: the program has no nn ops (any more)
func.func @main(%x : tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.relu %x {layer = "first"} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.sigmoid %0 {absorbed = ["gate"], layer = "mask"} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = nn.relu %1 : (tensor<4xf32>) -> tensor<4xf32>
  func.return %2 : tensor<4xf32>
}
