"""Placing buffers with known lifetimes in one block of memory.

A buffer lives from the step that writes it to the last step that reads it. Two buffers may share
bytes only if they do not live at the same time. Placement is greedy: largest first, each at the
lowest address that is free during its whole life (as in TensorFlow Lite's arena planner;
Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
`check` proves the result independently of how it was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dialects.errors import OctetError

ALIGNMENT = 64
"""Bytes; a cache line, so that vectors at the start of a buffer never straddle two."""

SLACK = 64
"""Bytes that kernels may read past the end of a buffer: part of every buffer's size."""


@dataclass(frozen=True)
class Buffer:
    """`size` bytes that are alive in the steps `first` to `last`, both included."""

    name: str
    size: int
    first: int
    last: int

    def overlaps(self, other: Buffer) -> bool:
        """Both are alive in some step."""
        return self.first <= other.last and other.first <= self.last


def round_up(size: int, multiple: int = ALIGNMENT) -> int:
    return -(-size // multiple) * multiple


def place(buffers: Sequence[Buffer]) -> list[int]:
    """An offset for each buffer. Deterministic: ties go to the earlier buffer."""
    order = sorted(range(len(buffers)), key=lambda i: (-buffers[i].size, buffers[i].first, i))
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for index in order:
        buffer = buffers[index]
        neighbours = sorted(
            (offsets[other], offsets[other] + round_up(buffers[other].size))
            for other in placed
            if buffer.overlaps(buffers[other])
        )
        offset = 0
        for start, end in neighbours:
            if offset + buffer.size <= start:
                break
            offset = max(offset, end)
        offsets[index] = offset
        placed.append(index)
    return offsets


def arena_size(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Bytes of the smallest arena that holds all buffers."""
    ends = (offset + buffer.size for buffer, offset in zip(buffers, offsets, strict=True))
    return round_up(max(ends, default=0))


def check(buffers: Sequence[Buffer], offsets: Sequence[int], size: int) -> None:
    """Proves that a placement is sound; raises OctetError naming the buffers if it is not.

    Every buffer lies inside the arena of `size` bytes at an aligned offset, and no two buffers
    that are alive in the same step share a byte.
    """
    for buffer, offset in zip(buffers, offsets, strict=True):
        if offset % ALIGNMENT or offset < 0 or offset + buffer.size > size:
            raise OctetError(
                f"memory plan: buffer {buffer.name} ({buffer.size} bytes at {offset}) is not "
                f"aligned inside the arena of {size} bytes"
            )
    by_offset = sorted(range(len(buffers)), key=lambda i: offsets[i])
    active: list[int] = []
    for index in by_offset:
        start = offsets[index]
        active = [other for other in active if offsets[other] + buffers[other].size > start]
        for other in active:
            if buffers[index].size and buffers[index].overlaps(buffers[other]):
                raise OctetError(
                    f"memory plan: buffers {buffers[index].name} and {buffers[other].name} are "
                    "alive at the same time and overlap"
                )
        active.append(index)
