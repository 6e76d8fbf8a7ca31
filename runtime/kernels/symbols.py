"""C functions that compiled code may call: those of the libraries that this process has loaded."""

from __future__ import annotations

from functools import cache

import llvmlite.binding as llvm


@cache
def has_symbol(name: str) -> bool:
    """Whether compiled code may call the C function `name`."""
    _look_into_this_process()
    return llvm.address_of_symbol(name) is not None


@cache
def _look_into_this_process() -> None:
    """LLVM knows the process's own symbols as soon as it has made an engine, no sooner."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
