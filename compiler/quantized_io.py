"""Feeds and outputs of programs that take and give stored integers (pass `quantize-io`), in terms
of the real numbers those stand for. Tools that compare programs speak real numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from dialects.program import (
    argument_attributes,
    input_names,
    main_function,
    output_names,
    quantized_as,
    result_attributes,
)
from runtime.program import Program
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import dequantize, quantize

Arrays = Mapping[str, np.ndarray]


def stored_feeds(module: ModuleOp, feeds: Arrays) -> dict[str, np.ndarray]:
    """`feeds` with floats quantized for the inputs that the program takes as integers."""
    function = main_function(module)
    stored = dict(feeds)
    for name, attributes in zip(input_names(function), argument_attributes(function), strict=True):
        element = quantized_as(attributes)
        if element is not None and name in stored and stored[name].dtype.kind == "f":
            stored[name] = quantize(stored[name], params_of(element))
    return stored


def real_outputs(module: ModuleOp, outputs: Arrays) -> dict[str, np.ndarray]:
    """`outputs` with integers dequantized where they stand for real numbers."""
    function = main_function(module)
    real = dict(outputs)
    for name, attributes in zip(output_names(function), result_attributes(function), strict=True):
        element = quantized_as(attributes)
        if element is not None:
            real[name] = dequantize(real[name], params_of(element))
    return real


def run_real(program: Program, feeds: Arrays) -> dict[str, np.ndarray]:
    """Runs a program on real numbers, whatever it takes and gives."""
    return real_outputs(program.module, program.run(stored_feeds(program.module, feeds)))
