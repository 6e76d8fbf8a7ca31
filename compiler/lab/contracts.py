"""The contract of a pass: what it requires, establishes and invalidates, read from its class.

xDSL's own passes cannot declare anything; theirs stand here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xdsl.passes import ModulePass

from compiler.pipeline import available_passes
from passes import PASSES
from passes.base import Numerics, OctetPass
from passes.facts import NO_UNUSED_OPS, Fact

Facts = frozenset[Fact]


@dataclass(frozen=True)
class Contract:
    """What a pass declares. `requires` is checked against the program before the pass runs."""

    requires: Facts = frozenset()
    establishes: Facts = frozenset()
    invalidates: Facts = frozenset()
    numerics: Numerics = Numerics.EXACT
    reads_data: bool = False

    def missing(self, facts: Facts) -> list[Fact]:
        """What is required and does not hold, by name."""
        return sorted(self.requires - facts, key=str)

    def after(self, facts: Facts) -> Facts:
        """What is known to hold after the pass, of what held before."""
        return (facts - self.invalidates) | self.establishes


FOREIGN: Mapping[str, Contract] = {
    "canonicalize": Contract(invalidates=frozenset({NO_UNUSED_OPS})),
    "cse": Contract(),
    "dce": Contract(establishes=frozenset({NO_UNUSED_OPS})),
}
"""The passes of xDSL that are of use on Octet's programs."""


def contract_of(one: ModulePass | type[ModulePass]) -> Contract:
    """The contract of a pass; a foreign pass that is not known here promises to keep all."""
    pass_class = one if isinstance(one, type) else type(one)
    if not issubclass(pass_class, OctetPass):
        return FOREIGN.get(pass_class.name, Contract())
    return Contract(
        pass_class.REQUIRES,
        pass_class.ESTABLISHES,
        pass_class.INVALIDATES,
        pass_class.NUMERICS,
        pass_class.READS_DATA or pass_class.NEEDS_DATA,
    )


def contracts() -> dict[str, Contract]:
    """The contracts of Octet's passes, and of those of xDSL that it uses, by name."""
    table = available_passes()
    return {name: contract_of(table[name]()) for name in (*PASSES, *FOREIGN)}


def names_of(facts: Iterable[Fact]) -> list[str]:
    return sorted(fact.name for fact in facts)
