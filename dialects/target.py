"""What a target's kernels can do, as data. The values come from `compiler/targets/*.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialects.rates import DEFAULT_RATES, Rates


@dataclass(frozen=True)
class Limits:
    """The shapes a kernel takes; None, or a multiple of 1, is no limit."""

    kernel_sizes: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None
    dilations: tuple[int, ...] | None = None
    """The sizes that each spatial axis may have."""
    groups: tuple[str, ...] | None = None
    """Which convolutions: "one" group, "depthwise", "grouped" (neither)."""
    channel_multiple: int = 1
    """Channels of the data operand and of the result are multiples of it."""


@dataclass(frozen=True)
class Int8Rule:
    """When an op type has an int8 kernel.

    `activations` lists the storage types the kernel takes ("u8", "s8"); `constant` names
    operands that must be constant. `products` are the pairs of activation and weight type that are
    multiplied, such as "u8xs8"; None is any. `zero_point` is the only one that activations may
    have; None is any.
    """

    activations: tuple[str, ...]
    constant: tuple[str, ...] = ()
    products: tuple[str, ...] | None = None
    zero_point: int | None = None

    def multiplies(self, activation: str, weight: str) -> bool:
        """The kernel takes activations and weights of these storage types."""
        return self.products is None or f"{activation}x{weight}" in self.products


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

    weight_only: frozenset[str] = frozenset()
    """Formats of weights that it multiplies with float32 activations: `int8`, `int4`."""
    dynamic: frozenset[str] = frozenset()
    """Mnemonics of the op types that can quantize their activations when they run."""

    rates: Rates = DEFAULT_RATES
    """How fast its kernels are: those of its instruction set, or as its file says."""

    limits: Mapping[tuple[str, str], Limits] = field(default_factory=dict[tuple[str, str], Limits])
    """By precision and op mnemonic; what is missing has no limits."""

    description: str = ""
