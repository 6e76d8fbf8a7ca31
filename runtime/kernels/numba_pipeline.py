"""How numba compiles kernels and the functions they call: only what ends up in the object file.

numba optimizes every function on its own, makes machine code of it, and does both again for each
function it is inlined into.  A device function is never called but always inlined, so here it is
only lowered; the kernel it becomes a part of is optimized once, as a whole.
"""

from __future__ import annotations

from typing import Any, Literal

from numba import _dynfunc  # pyright: ignore[reportAttributeAccessIssue]
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NoPythonSupportedFeatureValidation,
)


class _InlinedLibrary(JITCodeLibrary):
    """LLVM code that other libraries link in: neither optimized nor made machine code."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class KernelLibrary(JITCodeLibrary):
    """The code of one kernel, optimized, with all that it calls."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def object_file(self) -> bytes:
        """The relocatable object file."""
        self._ensure_finalized()
        return self._codegen._tm.emit_object(self._final_module)


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
