"""Which compiler kernels are made by: Octet's translator, or numba.

A kernel is a Python function that both compile, and both give code that computes the same. The
translator is the default, because it is several times faster (`docs/kernels.md`); numba is what
kernels are defined by, and tests compare with it. `$OCTET_KERNEL_COMPILER` chooses.
"""

from __future__ import annotations

import os
from typing import Literal, get_args

from dialects.errors import OctetError

KernelCompiler = Literal["octet", "numba"]

VARIABLE = "OCTET_KERNEL_COMPILER"
KERNEL_COMPILERS: tuple[KernelCompiler, ...] = get_args(KernelCompiler)


def kernel_compiler() -> KernelCompiler:
    """`$OCTET_KERNEL_COMPILER`, `octet` if it is not set.

    Raises `OctetError` for a compiler that there is not.
    """
    chosen = os.environ.get(VARIABLE) or KERNEL_COMPILERS[0]
    for known in KERNEL_COMPILERS:
        if chosen == known:
            return known
    expected = " or ".join(KERNEL_COMPILERS)
    raise OctetError(f"{VARIABLE}={chosen}: no such compiler of kernels; expected {expected}")
