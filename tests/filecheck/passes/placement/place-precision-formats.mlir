// Formats of matrix products: weights in few bits, activations that are quantized at run time.
// RUN: octet-opt %s -p "place-precision{rules=\"select = 'type:matmul', weights = 'int4', group_size = 64, origin = '--weight-only'\"}" | filecheck %s
// RUN: octet-opt %s -p "place-precision{rules=\"select = 'type:matmul', weights = 'int4', group_size = 64, origin = '--weight-only'\"},place-precision{rules=\"select = 'type:matmul', weights = 'int4', group_size = 64, origin = '--weight-only'\"}" | filecheck %s

// Dynamic products compute in int8 but take and give float32: no neighbour joins them.
// RUN: octet-opt %s -p "place-precision{rules=\"select = 'type:matmul', activations = 'dynamic'\"}" | filecheck %s --check-prefix=DYNAMIC

// The last rule wins, whichever kind it is; placing again takes a format away.
// RUN: octet-opt %s -p "place-precision{rules=\"select = 'type:matmul', weights = 'int8'\",\"name:fc=int8\"}" | filecheck %s --check-prefix=PRECISION
// RUN: octet-opt %s -p "place-precision{rules=\"select = 'type:matmul', weights = 'int8'\"},place-precision{rules=\"name:fc=int8\"}" | filecheck %s --check-prefix=PRECISION

// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:fc', weights = 'int2'\"}" 2>&1 | filecheck %s --check-prefix=WEIGHTS
// WEIGHTS: 'weights' should be one of int8, int4, got 'int2'
// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:fc', group_size = 32\"}" 2>&1 | filecheck %s --check-prefix=SIZE
// SIZE: 'group_size' needs 'weights' beside it
// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:fc', weights = 'int4', activations = 'dynamic'\"}" 2>&1 | filecheck %s --check-prefix=BOTH
// BOTH: 'activations' = "dynamic" multiplies int8 weights
// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:fc', weights = 'int4', precision = 'int8'\"}" 2>&1 | filecheck %s --check-prefix=TWICE
// TWICE: 'weights' says what the op computes in: leave out 'precision'
// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:act', weights = 'int4', origin = 'r.toml:3'\"}" 2>&1 | filecheck %s --check-prefix=NONE
// NONE: r.toml:3: no op that 'name:act' names has a constant weight, which 'int4' is about

// CHECK-LABEL: func.func @main
func.func @main(%x : tensor<4x2xf32> {nn.name = "x", nn.range = array<f64: -1.0, 1.0>}) -> tensor<4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2xf32>> : () -> tensor<2x2xf32>
  // CHECK: nn.matmul {{.*}}layer = "fc", linear_format = #nn.linear_format<group_size = 64, weights = "int4">, placed_by = "type:matmul=int4:64 (--weight-only): user", precision = #nn<precision f32>
  // DYNAMIC: nn.matmul {{.*}}layer = "fc", linear_format = #nn.linear_format<activations = "dynamic">, placed_by = "type:matmul=dynamic: user", precision = #nn<precision int8>
  // PRECISION: nn.matmul {{.*}}layer = "fc", placed_by = "name:fc=int8: user", precision = #nn<precision int8>
  %0 = nn.matmul %x, %w {layer = "fc", range = array<f64: -1.0, 1.0>} : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  // DYNAMIC: nn.tanh {{.*}}placed_by = "neighbours: no operand of tanh comes from an int8 op", precision = #nn<precision f32>
  %1 = nn.tanh %0 {layer = "act", range = array<f64: -1.0, 1.0>} : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %2 = nn.matmul %1, %w {layer = "fc2", range = array<f64: -1.0, 1.0>} : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %3 = nn.transpose %2 <permutation = [1, 0]> : (tensor<4x2xf32>) -> tensor<2x4xf32>
  // A product of two values has no weights, so a rule about them says nothing of it.
  // CHECK: nn.matmul {{.*}}layer = "qk", placed_by = "int8: {{.*}}", precision = #nn<precision f32>
  // CHECK-NOT: linear_format
  %4 = nn.matmul %2, %3 {layer = "qk"} : (tensor<4x2xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>
  func.return %4 : tensor<4x4xf32>
}
