"""The ONNX frontend: float, QDQ and QOperator models become `nn` programs.

loader.py     reads the file; opsets, truncation
functions.py  functions a model defines for itself
tensors.py    initializers and external data, sizes checked before anything is allocated
graph.py      names, order, cycles
dims.py       symbolic sizes of inputs
annotations.py  what integer inputs and outputs stand for
coding.py     reshape targets and slice bounds that stay right at other sizes
following.py  values whose sizes follow an input
values.py     a value during import
builder.py    makes ops, or evaluates them where operands are small known integers
node.py       what an import function sees of a node
registry.py   op type and opset -> import function
ops/          the import functions, one file per op family
importer.py   the walk over the graph
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto
from xdsl.dialects.builtin import ModuleOp

from dialects.context import OctetContext
from dialects.errors import OctetError

DEFAULT_LENGTHS = (128, 16)
"""What symbolic sizes other than the batch are where nothing else is said, the first that the model
takes; else 1, at which many ops do nothing that matter at other sizes."""


def import_onnx(
    source: str | Path | bytes | ModelProto,
    ctx: OctetContext,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    constants: Mapping[str, np.ndarray] | None = None,
) -> ModuleOp:
    """An ONNX model as a program of `nn` ops; its weights go into `ctx.weights`.

    Parameters
    - source: a path, the bytes of a model, or a parsed model. External data is read only from
      the folder of a path.
    - shapes: sizes of inputs by name. Symbolic sizes not given default to 1 (the leading one, the
      batch) and 128 (others; less where the graph does not take that). They may later take other
      values, where the graph allows; `nn.dims` of the arguments names those that may.
    - constants: inputs by name that become constants of the program.

    Raises OctetError for files that are damaged or hostile, and one that lists every operator
    and attribute that is not supported.
    """
    from .importer import GraphImporter
    from .loader import load

    model = load(source)

    def importer(default: int, *, only_batch: bool = False) -> GraphImporter:
        return GraphImporter(
            model, ctx, shapes or {}, constants or {}, default=default, only_batch=only_batch
        )

    for length in DEFAULT_LENGTHS:
        attempt = importer(length)
        if not attempt.has_other_symbols:
            return attempt.run()
        try:
            program = attempt.run()
        except OctetError:
            continue  # Too long for a table, say; what is wrong at any size is reported below.
        if not attempt.is_fixed:
            return program
    attempt = importer(1)
    program = attempt.run()
    if attempt.is_fixed:
        # Fixing a sequence length or image size at its default may set the batch free again.
        program = importer(1, only_batch=True).run()
    return program
