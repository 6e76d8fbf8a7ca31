// Rules apply in order, the last that matches an op wins, whatever it says.
// RUN: octet-opt %s -p "place-precision{rules=\"type:conv=f32\",\"name:second=int8\"}" | filecheck %s --check-prefix=NARROWER
// RUN: octet-opt %s -p "place-precision{rules=\"name:second=int8\",\"type:conv=f32\"}" | filecheck %s --check-prefix=WIDER

// Every precision may follow every other.
// RUN: octet-opt %s -p "place-precision{rules=\"type:conv=int8\",\"type:conv=bf16\",\"type:conv=f32\",\"type:conv=f16\"}" | filecheck %s --check-prefix=LAST

// The default and `op-types` come before all rules; an op that a rule names needs no neighbours.
// RUN: octet-opt %s -p "place-precision{precision=f32 rules=\"name:act=int8\"}" | filecheck %s --check-prefix=DEFAULT
// RUN: octet-opt %s -p "place-precision{op-types=sigmoid rules=\"name:second=int8\"}" | filecheck %s --check-prefix=TYPES

// `placed_by` says the rule, where it stands and its reason.
// RUN: octet-opt %s -p "place-precision{rules=\"select = 'name:first', precision = 'bf16', reason = 'too lossy', origin = 'r.toml:7: rule 2'\"}" | filecheck %s --check-prefix=REASON

// A rule without a precision says nothing here, one that may match nothing neither.
// RUN: octet-opt %s -p "place-precision{rules=\"name:first=f32\",\"select = 'name:first', tensor = 'result', storage = 's8'\",\"select = 'name:gone', precision = 'int8', allow_unmatched = true\"}" | filecheck %s --check-prefix=SILENT

// What cannot be is float and says who asked.
// RUN: octet-opt %s -p "place-precision{rules=\"select = 'type:softmax', precision = 'int8', origin = 'r.toml:7: rule 2'\"}" | filecheck %s --check-prefix=IMPOSSIBLE

// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:frist', precision = 'int8', origin = 'r.toml:7: rule 2'\"}" 2>&1 | filecheck %s --check-prefix=UNMATCHED
// UNMATCHED: error: r.toml:7: rule 2: selector 'name:frist' matches no op{{.*}}first
// RUN: not octet-opt %s -p "place-precision{rules=\"name:first=int4\"}" 2>&1 | filecheck %s --check-prefix=PRECISION
// PRECISION: rule 'name:first=int4': 'precision' should be one of f32, bf16, f16, int8, got 'int4'
// RUN: not octet-opt %s -p "place-precision{rules=\"name:first\"}" 2>&1 | filecheck %s --check-prefix=SHORT
// SHORT: rule 'name:first': expected SELECTOR=PRECISION
// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:first', presicion = 'int8'\"}" 2>&1 | filecheck %s --check-prefix=KEY
// KEY: unknown key 'presicion'; nearest: precision
// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:first'\"}" 2>&1 | filecheck %s --check-prefix=NOTHING
// NOTHING: the rule asks for nothing: give it a 'precision' or a scheme
// RUN: not octet-opt %s -p "place-precision{rules=\"precision = 'int8'\"}" 2>&1 | filecheck %s --check-prefix=SELECT
// SELECT: a rule has 'select', which names ops, or 'input', and not both
// RUN: not octet-opt %s -p "place-precision{rules=\"select = 'name:first, precision = 'int8'\"}" 2>&1 | filecheck %s --check-prefix=SYNTAX
// SYNTAX: rule 'select = 'name:first, precision = 'int8'':

func.func @main(%x : tensor<1x2x4x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2x4x4xf32> {
  %w = nn.constant <value = dense<0.5> : tensor<2x2x1x1xf32>> : () -> tensor<2x2x1x1xf32>
  // NARROWER: nn.conv {{.*}}layer = "first", placed_by = "type:conv=f32: user", precision = #nn<precision f32>
  // WIDER: nn.conv {{.*}}layer = "first", placed_by = "type:conv=f32: user", precision = #nn<precision f32>
  // LAST: nn.conv {{.*}}layer = "first", placed_by = "type:conv=f16: user", precision = #nn<precision f16>
  // DEFAULT: nn.conv {{.*}}layer = "first", placed_by = "default: precision=f32", precision = #nn<precision f32>
  // TYPES: nn.conv {{.*}}layer = "first", placed_by = "op-types: conv is not listed", precision = #nn<precision f32>
  // REASON: nn.conv {{.*}}layer = "first", placed_by = "name:first=bf16 (r.toml:7): too lossy", precision = #nn<precision bf16>
  // SILENT: nn.conv {{.*}}layer = "first", placed_by = "name:first=f32: user", precision = #nn<precision f32>
  %0 = nn.conv %x, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "first", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // DEFAULT: nn.sigmoid {{.*}}placed_by = "name:act=int8: user", precision = #nn<precision int8>
  %1 = nn.sigmoid %0 {layer = "act", range = array<f64: 0.0, 1.0>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  // NARROWER: nn.conv {{.*}}layer = "second", placed_by = "name:second=int8: user", precision = #nn<precision int8>
  // WIDER: nn.conv {{.*}}layer = "second", placed_by = "type:conv=f32: user", precision = #nn<precision f32>
  // LAST: nn.conv {{.*}}layer = "second", placed_by = "type:conv=f16: user", precision = #nn<precision f16>
  // TYPES: nn.conv {{.*}}layer = "second", placed_by = "name:second=int8: user", precision = #nn<precision int8>
  // SILENT: nn.conv {{.*}}layer = "second", placed_by = "default: conv has int8 arithmetic", precision = #nn<precision int8>
  %2 = nn.conv %1, %w <strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1> {layer = "second", range = array<f64: -1.0, 1.0>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  // IMPOSSIBLE: nn.softmax {{.*}}placed_by = "int8: softmax has no int8 form (asked for by type:softmax=int8 (r.toml:7): user)", precision = #nn<precision f32>
  %3 = nn.softmax %2 <axis = 1> {layer = "prob"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  func.return %3 : tensor<1x2x4x4xf32>
}
