"""From a function to an object file: translated, optimized by LLVM, made machine code."""

from __future__ import annotations

from types import FunctionType

import llvmlite.binding as llvm
from llvmlite import ir

from runtime.translation.translator import translate
from runtime.translation.values import I64

SYMBOL = "kernel"


def llvm_text(function: FunctionType, triple: str) -> str:
    """The LLVM IR of the C function `void kernel(int64 row, int64 thread, int64 threads)`."""
    module = ir.Module(name="kernel")
    module.triple = triple
    kernel = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * 3), SYMBOL)
    kernel.attributes.add("nounwind")
    translate(function, kernel)
    return str(module)


def optimized(text: str, machine: llvm.TargetMachine) -> llvm.ModuleRef:
    """The module of a text, optimized for a machine."""
    module = llvm.parse_assembly(text)
    module.verify()
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return module
