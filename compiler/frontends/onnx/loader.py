"""Reads a model file and refuses what is damaged, hostile or from another time."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto

from dialects.errors import OctetError

from .functions import inline_functions

OLDEST_OPSET = 7
"""From opset 7 on, elementwise ops broadcast as numpy does; earlier ones had an axis attribute."""

MAX_FILE_BYTES = 2**31
"""The most protobuf can hold in one message; larger models keep their weights outside."""

_DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class LoadedModel:
    """A parsed model that passed the checks of this module.

    - name: for messages; the path, or "the model".
    - folder: where external data may lie; None if the model did not come from a file.
    - opsets: version by domain; the default domain is "".
    """

    proto: ModelProto
    name: str
    folder: Path | None
    opsets: dict[str, int]


def load(source: str | Path | bytes | ModelProto) -> LoadedModel:
    """The model in a file, in bytes, or already parsed. Raises OctetError when it is not sound."""
    if isinstance(source, (str, Path)):
        path = Path(source)
        name, folder = str(path), path.parent
        proto = _parse(_read(path), name)
    else:
        name, folder = "the model", None
        proto = source if isinstance(source, ModelProto) else _parse(source, name)
    _check_text(proto, name)
    if not proto.HasField("graph"):
        raise OctetError(f"{name} holds no graph; it is not an ONNX model, or it is truncated")
    opsets = _opsets(proto, name)
    if proto.functions:
        proto = inline_functions(proto, name)
    return LoadedModel(proto, name, folder, opsets)


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OctetError(f"{path} is not a file")
        if status.st_size > MAX_FILE_BYTES:
            raise OctetError(
                f"{path} has {status.st_size} bytes; an ONNX file is at most {MAX_FILE_BYTES} "
                "(larger models keep their weights in external data)"
            )
        return path.read_bytes()
    except OSError as error:
        raise OctetError(f"cannot read {path}: {error.strerror}") from None


def _parse(data: bytes, name: str) -> ModelProto:
    proto = ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError:
        raise OctetError(f"{name} is not an ONNX model, or it is truncated") from None
    return proto


def _check_text(message: Message, name: str) -> None:
    """Text that is not UTF-8 would come out of protobuf as bytes, somewhere in the middle."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            for text in [value] if isinstance(value, (str, bytes)) else value:
                if isinstance(text, bytes):
                    raise OctetError(f"{name}: {field.full_name} is not UTF-8 text: {text[:40]!r}")
        elif field.type == field.TYPE_MESSAGE:
            for inner in [value] if isinstance(value, Message) else value:
                _check_text(inner, name)


def _opsets(proto: ModelProto, name: str) -> dict[str, int]:
    opsets: dict[str, int] = {}
    for entry in proto.opset_import:
        domain = "" if entry.domain in _DEFAULT_DOMAINS else entry.domain
        opsets[domain] = max(entry.version, opsets.get(domain, 0))
    if not opsets:
        raise OctetError(f"{name} names no opset; it is not an ONNX model, or it is truncated")
    newest = onnx.defs.onnx_opset_version()
    version = opsets.get("")
    if version is not None and not OLDEST_OPSET <= version <= newest:
        raise OctetError(
            f"{name} uses opset {version}; supported are {OLDEST_OPSET} to {newest}. "
            + (
                "Convert it with onnx.version_converter"
                if version < OLDEST_OPSET
                else "A newer onnx package may know it"
            )
        )
    return opsets
