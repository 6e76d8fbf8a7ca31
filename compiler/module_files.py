"""Programs as `.mlir` text, with their weights in the `.safetensors` of the same name beside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from safetensors.numpy import save
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from dialects.context import OctetContext
from dialects.weights import WeightStore
from runtime.artifact import program_text, replacing, weight_digests, weights_from_bytes


def weights_path(path: Path) -> Path:
    """Where the weights of a `.mlir` file are."""
    return path.with_suffix(".safetensors")


def read_module(path: Path, ctx: OctetContext) -> ModuleOp:
    """Parses `path` and adds the weights beside it to the store of `ctx`.

    Raises ParseError, and OctetError when an array is not the one its digest names.
    """
    load_weights_beside(path, ctx.weights)
    return Parser(ctx, path.read_text(encoding="utf-8"), str(path)).parse_module()


def load_weights_beside(path: Path, store: WeightStore) -> None:
    """Adds the arrays of the `.safetensors` beside `path` to `store`; no file, no arrays."""
    beside = weights_path(path)
    if beside.is_file():
        arrays = weights_from_bytes(beside.read_bytes(), str(beside))
        for digest in arrays:
            store.add(arrays[digest])


def strip_name_hints(module: ModuleOp) -> None:
    """Numbers all values: two modules that do the same then print the same."""
    for op in module.walk():
        for result in op.results:
            result.name_hint = None
        for region in op.regions:
            for block in region.blocks:
                for argument in block.args:
                    argument.name_hint = None


def write_module(module: ModuleOp, weights: WeightStore, path: Path) -> None:
    """Writes `path` and the weights beside it; a failure leaves neither half-written."""
    write_program_text(program_text(module), weight_digests(module), weights, path)


def write_program_text(text: str, digests: Iterable[str], weights: WeightStore, path: Path) -> None:
    """As `write_module`, for text that is printed already."""
    arrays = weights.subset(digests)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if arrays:
            with replacing(weights_path(path)) as beside:
                beside.write_bytes(save(arrays))
