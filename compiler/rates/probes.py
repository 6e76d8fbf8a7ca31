"""Small programs that each spend their time on one kind of work of the cost model.

A probe is a layer named `probe` between two convolutions or matrix products, so that it takes and
gives what it would inside a network: interleaved pixels, in its own precision.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialects.shapes import Shape

LAYER = "probe"


@dataclass(frozen=True)
class Probe:
    """`text` is the program; `kind` the rate it is for; `kernel` the step to time, where it is not
    the layer `probe` but a conversion before it."""

    kind: str
    text: str
    shape: Shape
    kernel: str | None = None


def _tensor(*sizes: int) -> str:
    return f"tensor<{'x'.join(map(str, sizes))}xf32>"


def _constant(name: str, *sizes: int) -> str:
    kind = _tensor(*sizes)
    return f"  %{name} = nn.constant <value = dense<0.01> : {kind}> : () -> {kind}"


def _conv(
    result: str, x: str, sizes: Shape, out: Shape, kernel: int = 1, stride: int = 1,
    groups: int = 1, layer: str = "around", residual: str | None = None,
) -> list[str]:  # fmt: skip
    """A convolution with its weight."""
    shape = (out[1], sizes[1] // groups, kernel, kernel)
    pad = kernel // 2
    more, more_types = ("", "") if residual is None else (f", %{residual}", f", {_tensor(*out)}")
    segments = f", operandSegmentSizes = array<i32: 1, 1, 0, {int(residual is not None)}>"
    return [
        _constant(f"w_{result}", *shape),
        f'  %{result} = "nn.conv"(%{x}, %w_{result}{more}) <{{strides = array<i64: {stride}, '
        f"{stride}>, pads = array<i64: {pad}, {pad}, {pad}, {pad}>, dilations = array<i64: 1, 1>, "
        f'groups = {groups} : i64{segments}}}> {{layer = "{layer}"}} : '
        f"({_tensor(*sizes)}, {_tensor(*shape)}{more_types}) -> {_tensor(*out)}",
    ]


def _program(shape: Shape, lines: list[str], result: str, out: Shape) -> str:
    head = f'func.func @main(%x : {_tensor(*shape)} {{nn.name = "x"}}) -> ({_tensor(*out)} '
    return "\n".join(
        [head + '{nn.name = "y"}) {', *lines, f"  func.return %{result} : {_tensor(*out)}", "}"]
    )


def between_convs(kind: str, sizes: Shape, out: Shape, middle: list[str]) -> Probe:
    """`middle` makes %m of shape `out` from %a of shape `sizes`."""
    small = (1, 16, *sizes[2:])
    last = (1, 16, *out[2:])
    lines = [*_conv("a", "x", small, sizes), *middle, *_conv("y", "m", out, last)]
    return Probe(kind, _program(small, lines, "y", last), small)


def _conv_probe(
    kind: str, size: int, inner: int, outer: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> Probe:
    sizes, out = (1, inner, size, size), (1, outer, size // stride, size // stride)
    middle = _conv("m", "a", sizes, out, kernel, stride, groups, layer=LAYER)
    return between_convs(kind, sizes, out, middle)


def _residual_probe(size: int, inner: int, outer: int) -> Probe:
    """Few products for each result, so that the residual shows."""
    sizes, out = (1, inner, size, size), (1, outer, size, size)
    middle = _conv("r", "x", (1, 16, size, size), out)
    middle += _conv("m", "a", sizes, out, layer=LAYER, residual="r")
    return between_convs("residuals", sizes, out, middle)


def _unary_probe(kind: str, text: str, sizes: Shape, out: Shape | None = None) -> Probe:
    out = out or sizes
    line = f'  %m = nn.{text} {{layer = "{LAYER}"}} : ({_tensor(*sizes)}) -> {_tensor(*out)}'
    return between_convs(kind, sizes, out, [line])


def _rows_probe(kind: str, rows: int, inner: int, outer: int, kernel: str | None = None) -> Probe:
    """A matrix product of the program's input: streams weights, or converts the input."""
    kinds = f"({_tensor(rows, inner)}, {_tensor(inner, outer)}) -> {_tensor(rows, outer)}"
    lines = [
        _constant("w", inner, outer),
        f'  %y = nn.matmul %x, %w {{layer = "{LAYER}"}} : {kinds}',
    ]
    shape = (rows, inner)
    return Probe(kind, _program(shape, lines, "y", (rows, outer)), shape, kernel)


def _tokens_probe(kind: str, text: str, rows: int, columns: int) -> Probe:
    """An op on rows, alone in its program."""
    kinds = f"({_tensor(rows, columns)}) -> {_tensor(rows, columns)}"
    line = f'  %y = nn.{text} {{layer = "{LAYER}"}} : {kinds}'
    return Probe(kind, _program((rows, columns), [line], "y", (rows, columns)), (rows, columns))


def conversion_probe(kernel: str) -> Probe:
    """The step `kernel` that converts a dense float32 input."""
    return _rows_probe("conversions", 128, 768, 16, kernel)


LAYERS = (
    _conv_probe("products", 28, 256, 256),
    _conv_probe("products", 14, 128, 128, kernel=3),
    _conv_probe("results", 28, 16, 96),
    _residual_probe(28, 16, 96),
    _conv_probe("taps", 28, 192, 192, kernel=3, groups=192),
    _conv_probe("taps", 28, 192, 192, kernel=3, groups=192, stride=2),
    _unary_probe(
        "windows",
        "max_pool %a <kernel = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], "
        "dilations = [1, 1], ceil_mode = false>",
        (1, 64, 56, 56),
        (1, 64, 28, 28),
    ),
    _unary_probe("lookups", 'gelu %a <approximate = "none">', (1, 128, 28, 28)),
)
"""Measured in every precision."""

LOOPS = (
    _tokens_probe("instructions", 'gelu %x <approximate = "none">', 128, 768),
    _tokens_probe("instructions", "softmax %x <axis = 1>", 128, 256),
)
"""Measured in float32."""

CALL = _tokens_probe("call_ns", "relu %x", 1, 16)

STREAMS = {
    "L2": _rows_probe("bandwidth", 1, 256, 512),
    "L3": _rows_probe("bandwidth", 1, 2048, 2048),
    "memory": _rows_probe("bandwidth", 1, 4096, 4096),
}
"""Weights of 0.5, 16 and 64 MB in float32, each read once."""
