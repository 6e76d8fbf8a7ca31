"""Programs as text, each with something that placement has to explain."""

CONV = "strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1"
T = "tensor<1x2x4x4xf32>"
W = "tensor<2x2x1x1xf32>"
B = "tensor<2xf32>"
UNIT = "range = array<f64: -1.0, 1.0>"

HUGE_BIAS = f"""\
func.func @main(%x : {T} {{nn.range = array<f64: -1.0, 1.0>}}) -> {T} {{
  %w = nn.constant <value = dense<0.5> : {W}> : () -> {W}
  %b = nn.constant <value = dense<1.0e+30> : {B}> : () -> {B}
  %0 = nn.conv %x, %w, bias = %b <{CONV}> {{layer = "first", {UNIT}}} : ({T}, {W}, {B}) -> {T}
  %1 = nn.conv %0, %w <{CONV}> {{layer = "second", {UNIT}}} : ({T}, {W}) -> {T}
  func.return %1 : {T}
}}
"""
"""The bias of `first` does not fit in 32 bits, as `insert-qdq` finds out."""

LOOP = """\
func.func @main(%x : tensor<64x64xf32>) -> tensor<64x64xf32> {
  %0 = nn.add %x, %x {layer = "a"} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %1 = nn.relu %0 {layer = "b"} : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %2 = nn.mul %1, %x {layer = "c"} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  func.return %2 : tensor<64x64xf32>
}
"""
"""Three ops that become one loop."""

INDICES = """\
func.func @main(%t : tensor<5x4xf32>, %i : tensor<3xi64>) -> tensor<3x4xf32> {
  %0 = nn.neg %i {layer = "minus"} : (tensor<3xi64>) -> tensor<3xi64>
  %1 = nn.gather %t, %0 <axis = 0> {layer = "rows"} : (tensor<5x4xf32>, tensor<3xi64>) -> tensor<3x4xf32>
  %2 = nn.sigmoid %1 {layer = "gate"} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  func.return %2 : tensor<3x4xf32>
}
"""  # noqa: E501
"""An op on indices, one that moves floats, one that computes."""

TABLES = f"""\
func.func @main(%x : {T} {{nn.range = array<f64: -1.0, 1.0>}}) -> {T} {{
  %w = nn.constant <value = dense<0.5> : {W}> : () -> {W}
  %0 = nn.conv %x, %w <{CONV}> {{layer = "first", {UNIT}}} : ({T}, {W}) -> {T}
  %1 = nn.sigmoid %0 {{layer = "gate", range = array<f64: 0.0, 1.0>}} : ({T}) -> {T}
  %2 = nn.tanh %1 {{layer = "bend", range = array<f64: 0.0, 1.0>}} : ({T}) -> {T}
  %3 = nn.conv %2, %w <{CONV}> {{layer = "second", {UNIT}}} : ({T}, {W}) -> {T}
  func.return %3 : {T}
}}
"""
"""Two unary ops between convolutions, which become one table."""
