"""A program's text without what is only said about it, to tell whether two programs are one."""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import ModuleOp

from dialects.program import (
    RANGE,
    SCHEME,
    argument_attributes,
    main_function,
    nn_ops,
    set_argument_attributes,
)

FACTS = ("absorbed", "index", "layer", "origin", "placed_by", "range", "scheme", "weight_scheme")
"""Attributes of ops that say where they come from and how it was decided what they are."""


def bare_text(module: ModuleOp) -> str:
    """Ops in order with operands, options, precision and types, and the handles of weights.

    Two programs of the same text compute the same, with the same arithmetic.
    """
    bare = cast(ModuleOp, module.clone())
    bare.attributes.clear()
    for op in nn_ops(bare):
        for name in FACTS:
            op.attributes.pop(name, None)
    function = main_function(bare)
    attributes = argument_attributes(function)
    for entry in attributes:
        entry.pop(RANGE, None)
        entry.pop(SCHEME, None)
    set_argument_attributes(function, attributes)
    return str(bare)
