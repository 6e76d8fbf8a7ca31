"""A program's text without what is only said about it, to tell whether two programs are one."""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import ModuleOp

from dialects.program import (
    RANGE,
    SCHEME,
    argument_attributes,
    body_of,
    main_function,
    set_argument_attributes,
)
from passes.calibrate.equalize_channels import EQUALIZED
from passes.calibrate.smooth_activations import SMOOTHED
from passes.calibrate.split_outlier_channels import SPLIT
from passes.quantize.clip_outliers import CLIPPED
from passes.quantize.correct_bias import CORRECTED
from passes.quantize.round_adaptively import ROUNDED

FACTS = ("absorbed", "index", "layer", "origin", "placed_by", "range", "scheme", "weight_scheme")
"""Attributes of ops that say where they come from and how it was decided what they are."""
MARKS = (EQUALIZED, SMOOTHED, SPLIT, CLIPPED, ROUNDED, CORRECTED)
"""Attributes by which passes know what they have done."""


def bare_text(module: ModuleOp) -> str:
    """Ops in order with operands, options, precision and types, and the handles of weights.

    Two programs of the same text compute the same, with the same arithmetic.
    """
    bare = cast(ModuleOp, module.clone())
    bare.attributes.clear()
    function = main_function(bare)
    for op in body_of(function).ops:
        for name in (*FACTS, *MARKS):
            op.attributes.pop(name, None)
    attributes = argument_attributes(function)
    for entry in attributes:
        entry.pop(RANGE, None)
        entry.pop(SCHEME, None)
    set_argument_attributes(function, attributes)
    return str(bare)
