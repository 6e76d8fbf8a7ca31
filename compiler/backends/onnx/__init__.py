"""The ONNX backend: programs at stage `quantize` become QDQ models that other runtimes run.

exporter.py   the walk over the program
registry.py   op class -> emit function
node.py       what an emit function sees of an op
graph.py      nodes, initializers and their names
dims.py       symbolic sizes of inputs and outputs
ops/          the emit functions, one file per op family, as in `compiler.frontends.onnx`
model.py      the model as bytes and files: external data, metadata, checks
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from dialects.weights import WeightStore

from .model import ExportedModel

__all__ = ["ExportedModel", "export_onnx"]


def export_onnx(module: ModuleOp, weights: WeightStore) -> ExportedModel:
    """A program of `nn` ops, quantizes and dequantizes as an ONNX model.

    Ops of quantized tensors, which move or compute on integers, are written in float between
    DequantizeLinear and QuantizeLinear, the form that other tools recognize.

    Raises one OctetError that lists every op that standard ONNX cannot express.
    """
    from .exporter import GraphExporter

    return GraphExporter(module, weights).run()
