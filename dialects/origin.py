"""Which ops of the placed program an op computes: the attribute `index`.

    %1 = nn.conv %0, %w <..> {index = array<i64: 3>, layer = "Conv_7"} : ..

The numbers are positions among the `nn` ops of the program, constants left out, once precision
was placed: those that `index:` selectors count and `--explain` prints. The pass `number-ops`
writes them; passes that fuse or split ops hand them on, down to kernel calls. So what became of
an op can be told from the IR alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from xdsl.dialects.builtin import DenseArrayBase, i64
from xdsl.ir import Operation

INDEX = "index"


def indices_of(op: Operation) -> tuple[int, ...]:
    """The ops of the placed program that `op` computes, ascending; none if it was not there."""
    attribute = op.attributes.get(INDEX)
    if not isinstance(attribute, DenseArrayBase):
        return ()
    return tuple(cast(tuple[int, ...], attribute.get_values()))


def set_indices(into: Operation, *ops: Operation) -> None:
    """Lets `into` compute what `ops` did; nothing if none of them was numbered."""
    found = sorted({index for op in ops for index in indices_of(op)})
    if found:
        into.attributes[INDEX] = DenseArrayBase.from_list(i64, found)


def computed_by(ops: Iterable[Operation]) -> dict[int, list[Operation]]:
    """The ops that compute each op of the placed program, by its number, in program order."""
    found: dict[int, list[Operation]] = {}
    for op in ops:
        for index in indices_of(op):
            found.setdefault(index, []).append(op)
    return found
