"""From Python functions to LLVM IR: the few constructs that kernels are written in."""
