"""PyTorch: compiled by Inductor in float32 and bfloat16, and in int8 (PT2E) with torchao.

The network is the ONNX graph, node by node (onnx_in_torch.py). Inductor needs a C++ compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from models import Feeds, Model

from runtimes.variant import Run, Setting, Variant, Workspace

PACKAGES = ("torch",)


def variants(model: Model) -> list[Variant]:
    return [
        Variant("torch", precision, how, lambda workspace: workspace.onnx, load)
        for precision, how, load in (
            ("f32", "compile", partial(_load_compiled, "f32")),
            ("bf16", "compile", partial(_load_compiled, "bf16")),
            ("int8", "pt2e", _load_int8),
        )
    ]


def _module(path: Path, setting: Setting) -> Any:
    import torch
    import torch._inductor.config as inductor

    from runtimes.onnx_in_torch import OnnxModule

    torch.set_num_threads(setting.threads)
    inductor.freezing = True
    return OnnxModule(path).eval()


def _tensors(feeds: Feeds) -> list[Any]:
    import torch

    return [torch.from_numpy(array) for array in feeds.values()]


def _runner(function: Callable[..., Any], context: Callable[[], AbstractContextManager]) -> Run:
    import torch

    def run(feeds: Feeds) -> np.ndarray:
        with torch.no_grad(), context():
            return function(*_tensors(feeds)).float().numpy()

    return run


def _load_compiled(precision: str, path: Path, workspace: Workspace, setting: Setting) -> Run:
    import torch

    context = partial(torch.autocast, "cpu", torch.bfloat16) if precision == "bf16" else nullcontext
    return _runner(torch.compile(_module(path, setting)), context)


def _load_int8(path: Path, workspace: Workspace, setting: Setting) -> Run:
    import torch
    from torchao.quantization.pt2e import move_exported_model_to_eval
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    example = workspace.model.feeds(1, setting.batch)[0]
    with torch.no_grad():
        # A strict export names the function behind each node, by which the quantizer finds layers.
        module = _module(path, setting)
        exported = torch.export.export(module, tuple(_tensors(example)), strict=True)
        quantizer = x86.X86InductorQuantizer()
        quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
        prepared = prepare_pt2e(exported.module(), quantizer)
        samples = workspace.calibration()
        for start in range(0, len(samples), setting.batch):
            group = samples[start : start + setting.batch]
            prepared(*(torch.from_numpy(np.concatenate([s[n] for s in group])) for n in group[0]))
        converted = convert_pt2e(prepared)
        move_exported_model_to_eval(converted)
    if not any("quantize_per" in str(node.target) for node in converted.graph.nodes):
        raise RuntimeError("torchao quantized no layer of this network")
    return _runner(torch.compile(converted), nullcontext)
