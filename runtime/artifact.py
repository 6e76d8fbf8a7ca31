"""The .octet file: a zip of the program's IR as text, its weights and a manifest.

    program.mlir          the IR at the kernel stage
    weights.safetensors   arrays by digest
    manifest.json         format version, tool versions, pipeline, target, digests of the others
    debug/*.mlir          optional: the program at earlier stages, for tools
    debug/weights.safetensors    ... and the weights that only they name

No pickle, no code. Entries are stored uncompressed with a fixed date, sorted, so the same
program gives the same bytes. On loading every size is checked before anything is allocated, and
every digest before anything is used; the IR is verified and its memory plan proved before it
may run.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save as save_safetensors
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp
from xdsl.ir import Attribute
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

from dialects.context import make_context
from dialects.elements import bfloat16
from dialects.errors import OctetError
from dialects.nn.attributes import WeightAttr
from dialects.weights import WeightStore, digest_of

FORMAT = 1
PROGRAM, WEIGHTS, MANIFEST = "program.mlir", "weights.safetensors", "manifest.json"
ENTRIES = (MANIFEST, PROGRAM, WEIGHTS)
DEBUG = "debug/"
DEBUG_WEIGHTS = f"{DEBUG}{WEIGHTS}"
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say
MAX_TEXT = 1 << 28
MAX_WEIGHTS = 1 << 36

DTYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_),
    "BF16": bfloat16,
    **{f"{kind.upper()}{8 * size}": np.dtype(f"{kind}{size}")
       for kind, sizes in (("f", (2, 4, 8)), ("i", (1, 2, 4, 8)), ("u", (1, 2, 4, 8)))
       for size in sizes},
}  # fmt: skip
"""The element types of a safetensors file."""


def weight_digests(module: ModuleOp) -> list[str]:
    """The digests of all weights a module names, sorted."""
    found: set[str] = set()

    def visit(attribute: Attribute) -> None:
        if isinstance(attribute, WeightAttr):
            found.add(attribute.digest.data)
        elif isinstance(attribute, DictionaryAttr):
            for value in attribute.data.values():
                visit(value)
        elif isinstance(attribute, ArrayAttr):
            for value in attribute.data:
                visit(value)

    for op in module.walk():
        for attribute in (*op.properties.values(), *op.attributes.values()):
            visit(attribute)
    return sorted(found)


def weights_to_bytes(module: ModuleOp, weights: WeightStore) -> bytes:
    """The safetensors file of the weights a module names."""
    return save_safetensors(dict(weights.subset(weight_digests(module))))


def weights_from_bytes(data: bytes, source: str) -> WeightStore:
    """The arrays of a safetensors file, each checked against the digest that names it."""
    try:
        # `safetensors.numpy.load` does not know bfloat16, which `save` writes.
        arrays = {
            name: np.frombuffer(tensor["data"], DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
            for name, tensor in deserialize(data)
        }
    except (SafetensorError, ValueError, KeyError) as error:
        raise OctetError(f"{source}: not a valid safetensors file: {error}") from error
    store = WeightStore()
    for name, array in arrays.items():
        if digest_of(array) != name:
            raise OctetError(f"{source}: weight {name[:12]}... does not match its digest")
        store.add(array)
    return store


def program_text(module: ModuleOp) -> str:
    return str(module) + "\n"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends without error."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent or ".", prefix=f".{path.name}.")
    except OSError as error:
        raise OctetError(f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise OctetError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def save_artifact(
    path: Path,
    module: ModuleOp,
    weights: WeightStore,
    manifest: Mapping[str, Any],
    sections: Mapping[str, ModuleOp] | None = None,
) -> None:
    """Writes a .octet file, or nothing. `sections` are earlier stages of the program, by name."""
    contents = {
        PROGRAM: program_text(module).encode(),
        WEIGHTS: weights_to_bytes(module, weights),
        **_section_contents(module, weights, sections or {}),
    }
    full = {
        **manifest,
        "format": FORMAT,
        "sha256": {name: _sha256(data) for name, data in contents.items()},
    }
    contents[MANIFEST] = json.dumps(full, indent=2, sort_keys=True).encode() + b"\n"
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(contents, key=lambda name: (name not in ENTRIES, name)):
            info = zipfile.ZipInfo(name, DATE)
            info.external_attr = 0o644 << 16
            archive.writestr(info, contents[name])


def _section_contents(
    module: ModuleOp, weights: WeightStore, sections: Mapping[str, ModuleOp]
) -> dict[str, bytes]:
    if not sections:
        return {}
    named = {digest for section in sections.values() for digest in weight_digests(section)}
    further = sorted(named - set(weight_digests(module)))
    return {
        **{f"{DEBUG}{name}.mlir": program_text(part).encode() for name, part in sections.items()},
        DEBUG_WEIGHTS: save_safetensors(dict(weights.subset(further))),
    }


def load_artifact(path: Path) -> tuple[ModuleOp, WeightStore, dict[str, Any]]:
    """IR, weights and manifest of a .octet file. Raises OctetError naming what is wrong."""
    contents = _read_entries(path, ENTRIES)
    manifest = _checked_manifest(path, contents)
    module = _parse_program(path, PROGRAM, contents[PROGRAM])
    return module, weights_from_bytes(contents[WEIGHTS], f"{path}: {WEIGHTS}"), manifest


def load_sections(path: Path, names: Sequence[str]) -> tuple[dict[str, ModuleOp], WeightStore]:
    """Earlier stages of a program and all weights they name; nothing if the file lacks one.

    Raises OctetError for a file that is damaged or was edited.
    """
    entries = {name: f"{DEBUG}{name}.mlir" for name in names}
    contents = _read_entries(path, (*ENTRIES, *entries.values(), DEBUG_WEIGHTS))
    _checked_manifest(path, contents)
    if not contents.keys() >= {*entries.values(), DEBUG_WEIGHTS}:
        return {}, WeightStore()
    store = weights_from_bytes(contents[WEIGHTS], f"{path}: {WEIGHTS}")
    further = weights_from_bytes(contents[DEBUG_WEIGHTS], f"{path}: {DEBUG_WEIGHTS}")
    sections = {
        name: _parse_program(path, entry, contents[entry]) for name, entry in entries.items()
    }
    for name, section in sections.items():
        for digest in weight_digests(section):
            if digest not in store:
                if digest not in further:
                    raise OctetError(f"{path}: {entries[name]} names a weight it does not hold")
                store.add(further[digest])
    return sections, store


def _checked_manifest(path: Path, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest, after all contents have been held against its digests."""
    manifest = _parse_manifest(path, contents[MANIFEST])
    for name, data in contents.items():
        if name != MANIFEST and manifest["sha256"].get(name) != _sha256(data):
            raise OctetError(f"{path}: {name} is damaged or was edited: its digest differs")
    return manifest


def _parse_program(path: Path, name: str, text: bytes) -> ModuleOp:
    try:
        module = Parser(make_context(), text.decode(), name=name).parse_module()
        module.verify()
    except (ParseError, VerifyException, UnicodeDecodeError) as error:
        raise OctetError(f"{path}: {name} is not a valid program: {error}") from error
    return module


def _read_entries(path: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """Those of the `wanted` entries that the file has; it has to have `ENTRIES`."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            unknown = [n for n in sizes if n not in ENTRIES and not n.startswith(DEBUG)]
            if unknown or not sizes.keys() >= set(ENTRIES) or len(sizes) != len(archive.infolist()):
                raise OctetError(
                    f"{path}: expected the entries {', '.join(ENTRIES)}, found "
                    f"{', '.join(sorted(info.filename for info in archive.infolist())) or 'none'}"
                )
            total = path.stat().st_size
            for name, size in sizes.items():
                limit = MAX_WEIGHTS if name.endswith(WEIGHTS) else MAX_TEXT
                # Entries are stored as they are, so none is larger than the file.
                if size > min(limit, total):
                    raise OctetError(f"{path}: {name} claims {size} bytes, more than it may have")
            return {name: archive.read(name) for name in wanted if name in sizes}
    except FileNotFoundError as error:
        raise OctetError(f"{path}: no such file") from error
    # NotImplementedError is how zipfile says that it does not know a compression.
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
        raise OctetError(f"{path}: not a valid .octet file: {error}") from error


def _parse_manifest(path: Path, data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except ValueError as error:
        raise OctetError(f"{path}: {MANIFEST} is not valid JSON: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        raise OctetError(f"{path}: {MANIFEST} lacks the digests of the program")
    if manifest.get("format") != FORMAT:
        raise OctetError(
            f"{path}: artifact format {manifest.get('format')}, this version reads {FORMAT}; "
            "compile the model again"
        )
    return manifest


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
