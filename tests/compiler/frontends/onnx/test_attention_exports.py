"""Every form in which exporters write attention becomes one op that agrees with ONNX Runtime at
several batch sizes and sequence lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import compiler
from compiler.driver import Compilation, CompileRequest
from dialects.nn.attention import AttentionOp
from dialects.program import FIXED_SHAPE, nn_ops
from tests.compiler.frontends.onnx.attention_exports import FORMS, feeds

SHAPES = ((1, 4), (3, 1), (2, 9))


@pytest.mark.parametrize("form", FORMS)
def test_attention_is_one_op(form: str, tmp_path: Path, run_onnxruntime) -> None:
    model = FORMS[form]()
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    compilation = Compilation(CompileRequest(path, stop_after="simplify"))
    compilation.run()
    assert FIXED_SHAPE not in compilation.module.attributes
    assert sum(isinstance(op, AttentionOp) for op in nn_ops(compilation.module)) == 1
    program = compiler.compile(path)
    for batch, length in SHAPES:
        feed = feeds(model, batch, length)
        (expected,) = run_onnxruntime(model, feed).values()
        (found,) = program.run(feed).values()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
