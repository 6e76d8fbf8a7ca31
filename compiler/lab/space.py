"""Spaces of pass orders: which are legal, how many there are, and each of them.

A space holds *items*, passes that may stand anywhere, each in one or more *variants* (options are
dimensions), and *anchors*, passes that all occur in a fixed order, items between them. An order is
legal if it respects the constraints and, as far as contracts tell, everything that a pass requires
holds when it runs, also in the fixed passes that follow.

Orders are counted without enumerating them: how many ways there are to go on depends only on how
often each item was used, how many anchors are past, and the facts that hold.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from compiler.lab.contracts import Contract, Facts, contract_of
from compiler.lab.variants import Variants, variants_of
from compiler.pipeline import parse_pipeline
from dialects.errors import OctetError

Order = tuple[str, ...]
"""Canonical texts of passes, in the order they run."""


@dataclass(frozen=True)
class Item:
    """A pass of a space. `variants` are its canonical texts, one per choice of options."""

    name: str
    variants: tuple[str, ...]
    contract: Contract = field(repr=False)

    @classmethod
    def of(cls, variants: Variants) -> Item:
        (one,) = parse_pipeline(variants.texts[0])
        return cls(variants.name, variants.texts, contract_of(one))


@dataclass(frozen=True)
class _State:
    """Where an order stands: what is left to choose depends on nothing else."""

    used: tuple[int, ...]
    anchors: int
    facts: Facts


@dataclass(frozen=True)
class Space:
    """Legal orders of passes.

    Parameters
    - items, anchors: see above; every anchor occurs once.
    - after: pairs (a, b) of item or anchor names: no b stands behind an a.
    - repeat: how often an item may occur; at least once each, unless `subsets`.
    - subsets: items may be left out.
    - start: the facts that hold before; without them contracts are not looked at.
    - tail: passes that run afterwards; what they require must hold then.
    """

    items: tuple[Item, ...]
    anchors: tuple[Item, ...] = ()
    after: tuple[tuple[str, str], ...] = ()
    repeat: int = 1
    subsets: bool = False
    start: Facts | None = None
    tail: Order = ()

    def __post_init__(self) -> None:
        names = [item.name for item in (*self.items, *self.anchors)]
        for name in names:
            if names.count(name) > 1:
                raise OctetError(
                    f"pass {name} is named twice; --repeat lets passes occur more than once, and "
                    f"{name}{{option=1|2}} gives it options to choose from"
                )
        for pair in self.after:
            for name in pair:
                if name not in names:
                    raise OctetError(
                        f"--after {pair[0]}:{pair[1]}: {name} is not among the passes of the space "
                        f"({', '.join(names)})"
                    )
        if self.repeat < 1:
            raise OctetError(f"--repeat: at least 1, got {self.repeat}")

    @classmethod
    def of(
        cls,
        passes: Sequence[str],
        start: Facts | None = None,
        *,
        anchors: Sequence[str] = (),
        **more: object,
    ) -> Space:
        """A space of passes given as text, options and their alternatives included.

        Raises OctetError for what is not a pass, and for constraints on passes that are not there.
        """
        return cls(
            items=tuple(Item.of(variants_of(text)) for text in passes),
            anchors=tuple(Item.of(variants_of(text)) for text in anchors),
            start=start,
            **more,  # pyright: ignore[reportArgumentType]
        )

    # --- counting and choosing ------------------------------------------------------------------

    def count(self) -> int:
        """How many legal orders there are, exactly."""
        return self._completions(self._first)

    def orders(self) -> Iterator[Order]:
        """Every legal order once, in the order of the items."""
        yield from self._from(self._first, ())

    def random_order(self, source: random.Random) -> Order:
        """A legal order, each as likely as any other. Raises OctetError when there is none."""
        if not self.count():
            raise OctetError("the space has no legal order; look at `octet-lab passes`")
        state, order = self._first, ()
        while True:
            steps = self._steps(state)
            weights = [self._completions(after) for _, after in steps]
            chosen = source.randrange(sum(weights) + self._may_end(state))
            for (text, after), weight in zip(steps, weights, strict=True):
                if chosen < weight:
                    state, order = after, (*order, text)
                    break
                chosen -= weight
            else:
                return order

    def contains(self, order: Order) -> bool:
        """The order is one of this space."""
        state = self._first
        for text in order:
            steps = dict(self._steps(state))
            if text not in steps:
                return False
            state = steps[text]
        return self._may_end(state)

    # --- states ---------------------------------------------------------------------------------

    @property
    def _first(self) -> _State:
        return _State((0,) * len(self.items), 0, self.start or frozenset())

    @cached_property
    def _counts(self) -> dict[_State, int]:
        return {}

    @cached_property
    def _blockers(self) -> Mapping[str, tuple[str, ...]]:
        """For each name, those that it may not stand behind."""
        names = [item.name for item in (*self.items, *self.anchors)]
        return {name: tuple(a for a, b in self.after if b == name) for name in names}

    def _completions(self, state: _State) -> int:
        if state not in self._counts:
            ways = sum(self._completions(after) for _, after in self._steps(state))
            self._counts[state] = ways + self._may_end(state)
        return self._counts[state]

    def _from(self, state: _State, order: Order) -> Iterator[Order]:
        if not self._completions(state):
            return
        if self._may_end(state):
            yield order
        for text, after in self._steps(state):
            yield from self._from(after, (*order, text))

    def _may_end(self, state: _State) -> bool:
        least = 0 if self.subsets else 1
        complete = state.anchors == len(self.anchors) and all(n >= least for n in state.used)
        return complete and self._tail_applies(state.facts)

    def _tail_applies(self, facts: Facts) -> bool:
        if self.start is None:
            return True
        for contract in self._tail_contracts:
            if contract.missing(facts):
                return False
            facts = contract.after(facts)
        return True

    @cached_property
    def _tail_contracts(self) -> tuple[Contract, ...]:
        return tuple(map(contract_of, parse_pipeline(",".join(self.tail)))) if self.tail else ()

    def _steps(self, state: _State) -> list[tuple[str, _State]]:
        """What may come next, as text and the state after it."""
        steps: list[tuple[str, _State]] = []
        present = {item.name for item, n in zip(self.items, state.used, strict=True) if n}
        present |= {item.name for item in self.anchors[: state.anchors]}

        def add(item: Item, used: tuple[int, ...], anchors: int) -> None:
            if present.intersection(self._blockers[item.name]):
                return
            facts = state.facts
            if self.start is not None:
                if item.contract.missing(facts):
                    return
                facts = item.contract.after(facts)
            after = _State(used, anchors, facts)
            steps.extend((text, after) for text in item.variants)

        for index, item in enumerate(self.items):
            if state.used[index] < self.repeat:
                used = (*state.used[:index], state.used[index] + 1, *state.used[index + 1 :])
                add(item, used, state.anchors)
        if state.anchors < len(self.anchors):
            add(self.anchors[state.anchors], state.used, state.anchors + 1)
        return steps
