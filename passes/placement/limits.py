"""What a target's kernels ask of shapes: kernel sizes, strides, dilations, groups, channels."""

from __future__ import annotations

from dialects.nn.base import NnOp, shape_of
from dialects.nn.linear import ConvOp, ConvTransposeOp
from dialects.nn.pooling import PoolOp
from dialects.target import Limits


def limit_obstacle(op: NnOp, limits: Limits | None) -> str | None:
    """The limit that the shapes of `op` exceed, with the value, or None."""
    if limits is None:
        return None
    if isinstance(op, ConvOp | ConvTransposeOp | PoolOp):
        kernel = op.kernel.get_values() if isinstance(op, PoolOp) else shape_of(op.weight)[2:]
        for name, values, legal in (
            ("kernel size", kernel, limits.kernel_sizes),
            ("stride", op.strides.get_values(), limits.strides),
            ("dilation", op.dilations.get_values(), limits.dilations),
        ):
            for value in values:
                if legal is not None and value not in legal:
                    listed = ", ".join(map(str, legal))
                    return f"{name} {value} of {op.mnemonic} is none of {listed}"
    if isinstance(op, ConvOp) and limits.groups is not None:
        kind = kind_of_groups(op)
        if kind not in limits.groups:
            return f"conv is {kind} ({op.groups.value.data} groups), not {limits.groups}"
    for what, value in (("x", op.operands[0]), ("the result", op.results[0])):
        shape = shape_of(value)
        channels = shape[-1] if op.mnemonic == "matmul" else shape[min(1, len(shape) - 1)]
        if channels % limits.channel_multiple:
            return f"{channels} channels of {what} are no multiple of {limits.channel_multiple}"
    return None


def kind_of_groups(op: ConvOp) -> str:
    """The convolution is of "one" group, "depthwise", or "grouped"."""
    if op.groups.value.data == 1:
        return "one"
    return "depthwise" if op.is_depthwise else "grouped"
