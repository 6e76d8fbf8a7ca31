// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'name:secnod', tensor = 'result', storage = 'u8', origin = 'r.toml:4: rule 1'\"}" 2>&1 | filecheck %s --check-prefix=UNMATCHED
// UNMATCHED: r.toml:4: rule 1: selector 'name:secnod' matches no op{{.*}}second

// RUN: octet-opt %s -p "assign-scheme{rules=\"select = 'name:secnod', tensor = 'result', storage = 'u8', allow_unmatched = true\"}" | filecheck %s --check-prefix=ALLOWED
// ALLOWED-NOT: #nn.scheme

// RUN: not octet-opt %s -p "assign-scheme{rules=\"input = 'picture', storage = 'u8', origin = 'r.toml:4: rule 1'\"}" 2>&1 | filecheck %s --check-prefix=INPUT
// INPUT: r.toml:4: rule 1: the program has no input 'picture'{{.*}}image

// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'type:conv', tensor = 'y', storage = 'u8'\"}" 2>&1 | filecheck %s --check-prefix=OPERAND
// OPERAND: assign-scheme: conv first has no tensor 'y' of reals; expected one of result, weight, x

// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'type:softmax', tensor = 'weight', storage = 's8'\"}" 2>&1 | filecheck %s --check-prefix=WEIGHT
// WEIGHT: no op that 'type:softmax' names has a constant weight

// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'name:first', tensor = 'weight', storage = 's8', scale = [0.1, 0.2, 0.3], zero_point = [0, 0, 0]\"}" 2>&1 | filecheck %s --check-prefix=CHANNELS
// CHANNELS: the weight of first has 2 output channels, 'scale' 3 numbers

// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'name:first', tensor = 'result', storage = 's8', scale = [0.1, 0.2], zero_point = [0, 0]\"}" 2>&1 | filecheck %s --check-prefix=SCALES
// SCALES: the result of first has one scale; only weights have one per channel

// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'name:first', tensor = 'result', scale = 0.1, zero_point = 0\"}" 2>&1 | filecheck %s --check-prefix=STORAGE
// STORAGE: a fixed 'scale' needs 'storage' beside it: "u8" or "s8"

// The result of a layer that was fused into a later one does not exist.
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'name:second', tensor = 'result', range = [0, 6]\"}" 2>&1 | filecheck %s --check-prefix=FUSED
// FUSED: 'second' was fused into an op whose result is that of 'act'{{.*}}fix that one

// One value under two names.
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'name:first', tensor = 'result', range = [-1, 1], origin = 'r.toml:1: rule 1'\",\"select = 'name:second', tensor = 'x', range = [-2, 2], origin = 'r.toml:5: rule 2'\"}" 2>&1 | filecheck %s --check-prefix=TWICE
// TWICE: r.toml:5: rule 2: operand x of second is the same value as the result of first, whose numbers r.toml:1 fixes otherwise

// ... with the same numbers is no conflict.
// RUN: octet-opt %s -p "assign-scheme{rules=\"select = 'name:first', tensor = 'result', range = [-1, 1]\",\"select = 'name:second', tensor = 'x', range = [-1, 1]\"}" | filecheck %s --check-prefix=AGREE
// AGREE: scheme = #nn.scheme<range = [-1.0, 1.0]>

// Parameters that came with the model are part of it.
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'type:softmax', tensor = 'x', storage = 's8'\"}" 2>&1 | filecheck %s --check-prefix=MODEL
// MODEL: operand x of prob is quantized in the model

// What is wrong with a rule itself.
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'type:conv', storage = 'u8'\"}" 2>&1 | filecheck %s --check-prefix=TENSOR
// TENSOR: 'storage' needs a 'tensor': "result", "weight", or the name of an operand
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'type:conv', tensor = 'result', scale = 0.1, zero_point = 0, symmetric = true\"}" 2>&1 | filecheck %s --check-prefix=BOTH
// BOTH: 'scale' and 'symmetric' contradict one another
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'type:conv', tensor = 'weight', percentile = 99.0\"}" 2>&1 | filecheck %s --check-prefix=KNOWN
// KNOWN: 'percentile' is about measured values; a weight is known
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'type:conv', tensor = 'result', scale = 0.1\"}" 2>&1 | filecheck %s --check-prefix=PAIR
// PAIR: 'scale' needs 'zero_point' beside it
// RUN: not octet-opt %s -p "assign-scheme{rules=\"select = 'type:conv', tensor = 'result', storage = 's8', storage_range = [0, 255]\"}" 2>&1 | filecheck %s --check-prefix=LIMITS
// LIMITS: 'storage_range' [0, 255] does not fit in s8, -128 to 127

func.func @main(%x : tensor<1x2x4x4xf32> {nn.name = "image"}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.conv %0, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {absorbed = ["act"], layer = "second"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = quant.qcast %1 : tensor<1x2x4x4xf32> -> tensor<1x2x4x4x!quant.uniform<u8:f32, 0.1>>
  %3 = quant.dcast %2 : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.1>> -> tensor<1x2x4x4xf32>
  %4 = nn.softmax %3 <axis = 1> {layer = "prob"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %4 : tensor<1x2x4x4xf32>
}
