"""What a target's kernels can do, as data. The values come from `compiler/targets/*.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dialects.rates import DEFAULT_RATES, Rates


@dataclass(frozen=True)
class Int8Rule:
    """When an op type has an int8 kernel.

    `activations` lists the storage types the kernel takes ("u8", "s8"); `constant` names
    operands that must be constant.
    """

    activations: tuple[str, ...]
    constant: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A name, the instruction set its kernels are generated for, and what they can do."""

    name: str
    isa: str
    int8: Mapping[str, Int8Rule]
    """By op mnemonic (`conv`, `matmul`, ...); an op type that is missing has no int8 kernel."""

    bf16: frozenset[str] = frozenset()
    f16: frozenset[str] = frozenset()
    """Mnemonics of the op types with kernels on 16-bit floats."""

    rates: Rates = DEFAULT_RATES
    """How fast its kernels are: those of its instruction set, or as its file says."""
