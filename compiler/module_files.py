"""Reading and writing programs as `.mlir` text with their weights in a `.safetensors` beside."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.printer import Printer

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.attributes import WeightAttr
from dialects.weights import WeightStore, digest_of


def weights_path(path: Path) -> Path:
    """Where the weights of a `.mlir` file are."""
    return path.with_suffix(".safetensors")


def read_module(path: Path, ctx: OctetContext) -> ModuleOp:
    """Parses `path` and adds the weights beside it to the store of `ctx`."""
    load_weights_beside(path, ctx.weights)
    return parse_module(path.read_text(encoding="utf-8"), ctx, str(path))


def parse_module(text: str, ctx: OctetContext, name: str) -> ModuleOp:
    """Parses and verifies `text`; `name` stands in messages."""
    module = Parser(ctx, text, name).parse_module()
    module.verify()
    return module


def load_weights_beside(path: Path, store: WeightStore) -> None:
    """Adds the arrays of the `.safetensors` beside `path` to `store`; no file, no arrays.

    Raises OctetError when an array is not the one its digest names.
    """
    beside = weights_path(path)
    if not beside.is_file():
        return
    for digest, array in _read_safetensors(beside).items():
        if digest_of(array) != digest:
            raise OctetError(
                f"{beside}: weight {digest[:12]}... was changed: its contents have another "
                "sha256; write edited weights under their own digest, or compile again"
            )
        store.add(array)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise OctetError(f"{path} is not a readable safetensors file: {error}") from None


def handles_of(module: ModuleOp) -> list[str]:
    """The digests of all weights a module refers to, sorted."""
    found = {
        attribute.digest.data
        for op in module.walk()
        for attribute in (*op.properties.values(), *op.attributes.values())
        if isinstance(attribute, WeightAttr)
    }
    return sorted(found)


def print_module(module: ModuleOp) -> str:
    """The text of a module, ending in a line break."""
    stream = StringIO()
    Printer(stream=stream).print_op(module)
    return stream.getvalue() + "\n"


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
    """Writes `path` and the weights beside it; both are complete or neither is there."""
    write_program_text(print_module(module), handles_of(module), weights, path)


def write_program_text(text: str, handles: list[str], weights: WeightStore, path: Path) -> None:
    """As `write_module`, from text that is printed already."""
    arrays = weights.subset(handles)
    with contextlib.ExitStack() as stack:
        if arrays:
            from safetensors.numpy import save

            beside = stack.enter_context(replacing(weights_path(path)))
            beside.write_bytes(save(arrays))
        stack.enter_context(replacing(path)).write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files only their owner may read; an output has the usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
