"""From a function to an object file: translated, optimized by LLVM, made machine code."""

from __future__ import annotations

from types import FunctionType

import llvmlite.binding as llvm
from llvmlite import ir

from runtime.translation.translator import translate
from runtime.translation.values import I64

SYMBOL = "kernel"


class _KernelModule(ir.Module):
    """A kernel, and beside it the vector code that is written for it, which it calls."""

    def __init__(self, triple: str) -> None:
        super().__init__(name="kernel")
        self.vectors = ir.Module(name="vectors")
        self.triple = self.vectors.triple = triple


def vector_code(module: ir.Module) -> ir.Module:
    """Where functions are written that a kernel's module calls and LLVM need not improve: a module
    beside it, except numba's, which are their own."""
    return module.vectors if isinstance(module, _KernelModule) else module


def llvm_texts(function: FunctionType, triple: str) -> tuple[str, str]:
    """The LLVM IR of the C function `void kernel(int64 row, int64 thread, int64 threads)`, and of
    the vector code that it calls."""
    module = _KernelModule(triple)
    kernel = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * 3), SYMBOL)
    kernel.attributes.add("nounwind")
    translate(function, kernel)
    return str(module), str(module.vectors)


def optimized(texts: tuple[str, str], machine: llvm.TargetMachine) -> llvm.ModuleRef:
    """One module of both: the kernel optimized for a machine, vector code as it is written."""
    kernel, vectors = (_parsed(text, machine) for text in texts)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(kernel, passes)
    kernel.link_in(vectors)
    return kernel


def _parsed(text: str, machine: llvm.TargetMachine) -> llvm.ModuleRef:
    module = llvm.parse_assembly(text)
    module.verify()
    module.data_layout = str(machine.target_data)
    return module
