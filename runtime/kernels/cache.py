"""Compiled kernels on disk.

A kernel is compiled to one relocatable object file, stored under a digest of everything that can
change its machine code: its key, its compiler, the source text of its module and of the project
modules that module imports, the versions of numba, llvmlite and LLVM, and the CPU.  Loading one
takes about a millisecond.

    <sha256 of the identity>.kernel  =  MAGIC | sha256 of the rest | symbol | NUL | object file

Files are written under a temporary name and renamed, so processes may share a directory.  An entry
that does not read back whole is compiled again.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba

from runtime.kernels.abi import Kernel
from runtime.kernels.compilers import kernel_compiler
from runtime.kernels.isa import cpu_features, cpu_name
from runtime.kernels.numba_compiler import compile_by_numba, load_helpers
from runtime.kernels.symbols import has_symbol
from runtime.kernels.vector_ir import GeneratedFunction
from runtime.translation.module import SYMBOL, llvm_texts, optimized

_SUFFIX = ".kernel"
_MAGIC = b"octet-kernel-1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size

_addresses: dict[tuple[str, str], int] = {}
"""By compiler and key."""
_engines: list[Any] = []  # an execution engine owns the memory of its code
_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


# In a forked child, the thread that held the lock may not exist.
os.register_at_fork(after_in_child=_renew_lock)


def address_of(kernel: Kernel) -> int:
    """Address of the compiled kernel: from memory, else from disk, else compiled now."""
    key = _compiler_of(kernel), kernel.key
    address = _addresses.get(key)
    if address is not None:
        return address
    with _lock:
        if key not in _addresses:
            if key[0] == "numba":
                load_helpers()
            _addresses[key] = _load(*_entry(kernel))
        return _addresses[key]


def _compiler_of(kernel: Kernel) -> str:
    """Who compiles a kernel: what is written as LLVM IR needs neither compiler of Python."""
    return "llvm" if isinstance(kernel.function, GeneratedFunction) else kernel_compiler()


def _entry(kernel: Kernel) -> tuple[str, bytes]:
    """(symbol, object file) from disk, else compiled and stored."""
    path = entry_path(kernel)
    entry = _read_entry(path)
    if entry is None:
        with _uncollected():
            entry = compile_kernel(kernel)
        _write_entry(path, *entry)
    return entry


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without collecting garbage: compiling makes many objects, which are in use while it
    lasts."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def is_cached(kernel: Kernel) -> bool:
    """Whether the kernel is on disk, whole."""
    return _read_entry(entry_path(kernel)) is not None


def ensure_cached(kernel: Kernel) -> None:
    """Compiles the kernel unless it is on disk, whole."""
    with _lock:
        _entry(kernel)


def cache_directory() -> Path:
    """`$OCTET_CACHE_DIR`, else `octet/kernels` in the user's cache directory."""
    chosen = os.environ.get("OCTET_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "octet" / "kernels"


@dataclass(frozen=True)
class CacheInfo:
    """What is in the cache."""

    directory: Path
    entries: int
    bytes: int


def info() -> CacheInfo:
    """Where the cache is and how large."""
    sizes = [path.stat().st_size for path in _entry_files()]
    return CacheInfo(cache_directory(), len(sizes), sum(sizes))


def prune(keep: Iterable[Kernel] = ()) -> int:
    """Deletes all entries but those of `keep`; returns how many. Running programs are not hurt."""
    kept = {entry_path(kernel) for kernel in keep}
    dropped = [path for path in _entry_files() if path not in kept]
    for path in dropped:
        path.unlink(missing_ok=True)
    return len(dropped)


def _entry_files() -> list[Path]:
    return sorted(cache_directory().glob(f"*{_SUFFIX}"))


def entry_path(kernel: Kernel) -> Path:
    """The file that holds (or will hold) this kernel's code."""
    identity = hashlib.sha256()
    source = source_digest(kernel.function.__module__)
    parts = (kernel.key, _compiler_of(kernel), source, *_toolchain())
    for part in parts:
        identity.update(part.encode() + b"\0")
    return cache_directory() / f"{identity.hexdigest()}{_SUFFIX}"


def _toolchain() -> tuple[str, ...]:
    llvm_version = ".".join(map(str, llvm.llvm_version_info))
    return (numba.__version__, llvmlite.__version__, llvm_version, cpu_name(), cpu_features())


# --- source text ---

_IMPORT = re.compile(
    r"^[ \t]*(?:from|import)[ \t]+([\w.]+)(?:[ \t]+import[ \t]+(\([^)]*\)|[^\n]*))?", re.MULTILINE
)


@cache
def source_digest(module_name: str) -> str:
    """Digest of the source of a module and of all project modules it imports, transitively."""
    project = {__name__.partition(".")[0], module_name.partition(".")[0]}
    found: dict[str, bytes] = {}
    pending = [module_name, __name__]
    while pending:
        name = pending.pop()
        module = sys.modules.get(name)
        if module is None or name in found:
            continue
        found[name] = _source(module).encode()
        package = getattr(module, "__package__", None)
        for target, members in _IMPORT.findall(found[name].decode()):
            if target.startswith("."):
                target = resolve_name(target, package)
            if target.partition(".")[0] in project:
                pending.append(target)
                pending += [f"{target}.{member}" for member in re.findall(r"\w+", members)]
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + found[name] + b"\0")
    return digest.hexdigest()


def _source(module: ModuleType) -> str:
    path = getattr(module, "__file__", None)
    if path is None or not path.endswith(".py"):
        raise ValueError(
            f"module {module.__name__} has no source file: its kernels cannot be cached"
        )
    return Path(path).read_text(encoding="utf-8")


# --- compiling ---


def compile_kernel(kernel: Kernel) -> tuple[str, bytes]:
    """Compiles a kernel; returns (symbol, object file).

    Raises `ValueError` if the code needs a function that cannot be found at run time, and
    `TranslationError` or numba's own errors if it cannot be compiled.
    """
    function, machine = kernel.function, _target_machine()
    if isinstance(function, GeneratedFunction):
        return function.compile(machine)
    assert isinstance(function, FunctionType)
    if kernel_compiler() == "numba":
        symbol, module, object_file = compile_by_numba(function)
        _check_symbols(kernel, module)
        return symbol, object_file
    module = optimized(llvm_texts(function, machine.triple), machine)
    _check_symbols(kernel, module)
    return SYMBOL, machine.emit_object(module)


def _check_symbols(kernel: Kernel, module: llvm.ModuleRef) -> None:
    """LLVM's linker ends the process at an unknown symbol: find it out before."""
    for function in module.functions:
        name = function.name
        if not function.is_declaration or name.startswith("llvm."):
            continue
        if not has_symbol(name):
            raise ValueError(
                f"kernel {kernel.key} calls {name}, which does not exist in this process"
            )


# --- loading ---


@cache
def _target_machine_options() -> dict[str, Any]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return {"cpu": cpu_name(), "features": cpu_features(), "opt": 3, "jit": True}


def _target_machine() -> llvm.TargetMachine:
    options = _target_machine_options()  # first: it makes the targets known
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(**options)


def _load(symbol: str, object_file: bytes) -> int:
    """Links an object file into the process; returns the address of `symbol`.

    Each object has an engine of its own: kernels compiled by different processes may hold different
    code under the same internal names.
    """
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(object_file))
    engine.finalize_object()
    address = engine.get_function_address(symbol)
    if not address:
        raise ValueError(f"object file does not define {symbol}")
    _engines.append(engine)
    return address


# --- files ---


def _read_entry(path: Path) -> tuple[str, bytes] | None:
    """(symbol, object file) of an entry, or None if it is absent or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    header = len(_MAGIC) + _DIGEST_SIZE
    payload = data[header:]
    if data[:header] != _MAGIC + hashlib.sha256(payload).digest():
        return None
    symbol, _, object_file = payload.partition(b"\0")
    return symbol.decode(), object_file


def _write_entry(path: Path, symbol: str, object_file: bytes) -> None:
    """Stores an entry; a directory that cannot be written costs only the next process's time."""
    payload = symbol.encode() + b"\0" + object_file
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            try:
                file.write(_MAGIC + hashlib.sha256(payload).digest() + payload)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError:
        return
