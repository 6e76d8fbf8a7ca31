"""What ranges depend on, in sha256: the program with its weights, and the data."""

from __future__ import annotations

import hashlib

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from dialects.context import Feed
from dialects.nn.base import NnOp
from dialects.program import body_of, input_names, main_function
from dialects.weights import digest_of

DECISIONS = frozenset(
    {"range", "scheme", "weight_scheme", "precision", "placed_by", "index", "layer", "absorbed"}
)
"""Attributes of ops that say how values are measured and quantized, or what they are called."""


def model_digest(module: ModuleOp) -> str:
    """Of a program's ops, in order, with their options and weights, and of the names of its inputs.

    What was measured, or asked for by a recipe, does not change it, nor do the default sizes of
    symbolic dimensions.
    """
    function = main_function(module)
    block = body_of(function)
    numbers: dict[SSAValue, int] = {}
    lines = [repr(input_names(function))]
    for value in block.args:
        numbers[value] = len(numbers)
    for op in block.ops:
        options = {**op.properties, **op.attributes}
        described = [f"{key} = {options[key]}" for key in sorted(options) if key not in DECISIONS]
        lines.append(f"{op.name} {[numbers[operand] for operand in op.operands]} {described}")
        if isinstance(op, NnOp) and op.layer is not None:
            lines.append(f"    {op.layer.data}")
        for result in op.results:
            numbers[result] = len(numbers)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class DataDigest:
    """Of batches in order: their sizes, element types and contents, by input."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, feed: Feed) -> None:
        for name in sorted(feed):
            self._digest.update(f"{name} {digest_of(np.asarray(feed[name]))}\n".encode())
        self._digest.update(b"\n")

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
