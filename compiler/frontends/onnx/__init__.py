"""The ONNX frontend: float, QDQ and QOperator models become `nn` programs.

loader.py     reads the file; opsets, truncation
functions.py  functions a model defines for itself
tensors.py    initializers and external data, sizes checked before anything is allocated
graph.py      names, order, cycles
dims.py       symbolic sizes of inputs
annotations.py  what integer inputs and outputs stand for
coding.py     reshape targets and slice bounds that stay right at other sizes
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
    - shapes: sizes of inputs by name. Symbolic sizes not given default to 1. The leading one (the
      batch) may later take other values, and so may others that were not given, where the graph
      allows; `nn.dims` of the arguments names those that may.
    - constants: inputs by name that become constants of the program.

    Raises OctetError for files that are damaged or hostile, and one that lists every operator
    and attribute that is not supported.
    """
    from .importer import GraphImporter
    from .loader import load

    model = load(source)
    importer = GraphImporter(model, ctx, shapes or {}, constants or {})
    program = importer.run()
    if importer.lost_batch:
        # Fixing a sequence length or image size at its default may set the batch free again.
        importer = GraphImporter(model, ctx, shapes or {}, constants or {}, only_batch=True)
        program = importer.run()
    return program
