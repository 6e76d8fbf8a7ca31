"""Kernels compiled by numba, with only what ends up in the object file.

numba optimizes every function on its own, makes machine code of it, and does both again for each
function it is inlined into.  A device function is never called but always inlined, so here it is
only lowered; the kernel it becomes a part of is optimized once, as a whole.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any, Literal

import llvmlite.binding as llvm
from numba import _dynfunc  # pyright: ignore[reportAttributeAccessIssue]
from numba.core import compiler, registry, types
from numba.core.base import _load_global_helpers
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NoPythonSupportedFeatureValidation,
)

_FLAGS = {
    "no_cpython_wrapper": True,
    "no_compile": True,  # leave that to the library
    "nrt": False,  # no reference counts: a kernel that allocates does not compile
    "error_model": "numpy",  # no check for a division by zero
}


def compile_by_numba(function: FunctionType) -> tuple[str, llvm.ModuleRef, bytes]:
    """(symbol, optimized LLVM module, object file) of `function(row, thread, threads)`.

    Raises numba's own errors if it cannot be compiled.
    """
    flags = compiler.Flags()
    for name, value in _FLAGS.items():
        setattr(flags, name, value)
    with global_compiler_lock:
        target: Any = registry.cpu_target
        library = _KernelLibrary(target.target_context.codegen(), function.__name__)
        compiled = compiler.compile_extra(
            target.typing_context,
            target.target_context,
            function,
            (types.int64,) * 3,
            types.void,
            flags,
            {},
            library=library,
        )
        return compiled.fndesc.llvm_cfunc_wrapper_name, *library.module_and_object_file()


@cache
def load_helpers() -> None:
    """Defines what code by numba may call, which numba does when it compiles for the first time;
    this process may never.  One missing symbol leaves all those after it unresolved, without an
    error."""
    _load_global_helpers()


class _InlinedLibrary(JITCodeLibrary):
    """LLVM code that other libraries link in: neither optimized nor made machine code."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _KernelLibrary(JITCodeLibrary):
    """The code of one kernel, optimized, with all that it calls."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def module_and_object_file(self) -> tuple[llvm.ModuleRef, bytes]:
        self._ensure_finalized()
        return self._final_module, self._codegen._tm.emit_object(self._final_module)


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerInlined(NativeLowering):
    """Lowers a function that others inline."""

    _name = "lower_inlined"

    def run_pass(self, state: Any) -> Literal[True]:
        target = state.targetctx
        state.library = _InlinedLibrary(target.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        state.library.finalize()
        # Its callers' types are looked up by this object; nobody calls it.
        name = lowered.fndesc.qualname
        handle = _dynfunc.make_function(
            lowered.fndesc.lookup_module(), name, name, 0, lowered.env, (state.library,)
        )
        target.insert_user_function(handle, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=handle)
        return True


class InlinedCompiler(CompilerBase):
    """numba's pipeline for device functions."""

    def define_pipelines(self) -> list[PassManager]:
        before = DefaultPassBuilder.define_untyped_pipeline(self.state)
        typed = DefaultPassBuilder.define_typed_pipeline(self.state)
        manager = PassManager("inlined")
        manager.passes.extend(before.passes)
        manager.passes.extend(typed.passes)
        manager.add_pass(NoPythonSupportedFeatureValidation, "supported features")
        manager.add_pass(IRLegalization, "legal IR")
        manager.add_pass(AnnotateTypes, "types")
        manager.add_pass(_LowerInlined, "lowering")
        manager.add_pass(NoPythonBackend, "result")
        manager.finalize()
        return [manager]


DEVICE_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "forceinline": True,
    "pipeline_class": InlinedCompiler,
}
"""How numba is to treat a function that kernels call."""
