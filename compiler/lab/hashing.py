"""Hashes: of IR, whatever its values are called; of outputs; of data.

`ir_hash` covers every op in order, its types and attributes, and weights by the digest of their
contents. It leaves out names of values and the module's `octet.` attributes, which say how a
program came to be. So it is the same in every process and every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from compiler.module_files import strip_name_hints
from dialects.context import Feed
from dialects.program import FIXED_SHAPE
from runtime.artifact import program_text

HISTORY_PREFIX = "octet."


def normal_form(module: ModuleOp) -> ModuleOp:
    """A copy without names of values and without the attributes that tell a history."""
    copy = cast(ModuleOp, module.clone())
    strip_name_hints(copy)
    copy.attributes = {
        name: value
        for name, value in sorted(copy.attributes.items())
        if not name.startswith(HISTORY_PREFIX) or name == FIXED_SHAPE
    }
    return copy


def ir_hash(module: ModuleOp) -> str:
    """The sha256 of a program's normal form, in hex."""
    return hashlib.sha256(program_text(normal_form(module)).encode()).hexdigest()


def output_hash(outputs: Iterable[Mapping[str, np.ndarray]]) -> str:
    """The semantic hash: sha256 of what a program gives on fixed probes, to the bit."""
    digest = hashlib.sha256()
    for batch in outputs:
        _add_feed(digest, batch)
    return digest.hexdigest()


def data_digest(feeds: Iterable[Feed]) -> str:
    """The sha256 of batches of inputs, in hex."""
    return output_hash(feeds)


def _add_feed(digest: hashlib._Hash, feed: Mapping[str, np.ndarray]) -> None:
    for name in sorted(feed):
        array = np.ascontiguousarray(feed[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.tobytes())


def file_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
