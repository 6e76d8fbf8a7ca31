"""The walk over the strips and panels of a product on AMX: one kernel for all of them."""

from __future__ import annotations

from enum import IntEnum, auto

from runtime.kernels.abi import kernel
from runtime.kernels.amx_tile import (
    B_TILE_BYTES,
    PAIR,
    ROW_WORDS,
    SCRATCH_BYTES,
    STRIP_TILES,
    STRIP_WORDS,
    TILE_BYTES,
    TILE_COLUMNS,
    TILE_ROWS,
    StripWord,
    configure_tiles,
    gather_rows,
    release_tiles,
)
from runtime.kernels.intrinsics import argument, call_kernel, i64_pointer, stack_memory

GATHER_BYTES = 64 * 1024
"""Stack memory for gathered strips."""

_MANY_STEPS = 6
"""From here on the other strip is finished during the first pair of column tiles, so that this
one's sums can take its place: they must not crowd the first-level cache."""

_TABLE_BYTES = 256

_memory = stack_memory(_TABLE_BYTES + 2 * SCRATCH_BYTES + GATHER_BYTES)
"""What a thread works with: the words of a strip's function, sums of two strips, gathered strips.
"""


class StripArgument(IntEnum):
    """The words of a call's row."""

    FUNCTION = 1
    """Address of the strips' function, and how many pairs of column tiles a panel has."""
    PAIRS = auto()
    A = auto()
    WEIGHTS = auto()
    BLOCKS = auto()
    C = auto()
    R = auto()
    STRIPS = auto()
    """The table of strips (`STRIP_WORDS` each), the list of their rows (`ROW_WORDS` each)."""
    STRIP_COUNT = auto()
    ROWS = auto()
    STEPS = auto()
    STEP_OFFSETS = auto()
    HEIGHT = auto()
    STRIDE = auto()
    PANELS = auto()
    PANEL_BLOCK = auto()
    """Bytes of a panel's epilogue block."""
    COLUMNS = auto()
    """Columns of the whole product, and bytes of a result."""
    OUTPUT_SIZE = auto()
    STRIPS_PER_BLOCK = auto()
    CONFIGURATION = auto()
    GATHERED = auto()
    """Bytes of a gathered row, 0 for rows in place; what else gathering needs."""
    SOURCE_ROWS = auto()
    SEGMENTS = auto()
    SEGMENT_OFFSETS = auto()
    SEGMENT_BYTES = auto()
    BY_PANELS = auto()
    """Whether threads have panels, all strips of each, or strips, all panels of each."""


(
    _FUNCTION,
    _PAIRS,
    _A,
    _WEIGHTS,
    _BLOCKS,
    _C,
    _R,
    _STRIPS,
    _STRIP_COUNT,
    _ROWS,
    _STEPS,
    _STEP_OFFSETS,
    _HEIGHT,
    _STRIDE,
    _PANELS,
    _PANEL_BLOCK,
    _COLUMNS,
    _OUTPUT_SIZE,
    _STRIPS_PER_BLOCK,
    _CONFIGURATION,
    _GATHERED,
    _SOURCE_ROWS,
    _SEGMENTS,
    _SEGMENT_OFFSETS,
    _SEGMENT_BYTES,
    _BY_PANELS,
) = map(int, StripArgument)

(
    _TO_FUNCTION,
    _TO_A0,
    _TO_A1,
    _TO_STRIDE,
    _TO_STEPS,
    _TO_STEP_OFFSETS,
    _TO_B,
    _TO_BIAS,
    _TO_SUMS,
    _TO_HEIGHT,
    _TO_AHEAD,
    _TO_AHEAD_LINES,
    _TO_FINISHED,
    _TO_ROWS_PER_STEP,
    _TO_ROWS,
    _TO_COUNT,
    _TO_BLOCK,
    _TO_C,
    _TO_R,
    _TO_VALID,
) = map(int, StripWord)


@kernel
def walk_strips(row: int, thread: int, threads: int) -> None:
    """Computes a product: blocks of strips, in those panels, in those strips."""
    pairs = argument(row, _PAIRS)
    blocks = argument(row, _BLOCKS)
    strips = argument(row, _STRIPS)
    steps = argument(row, _STEPS)
    height = argument(row, _HEIGHT)
    panels = argument(row, _PANELS)
    strip_count = argument(row, _STRIP_COUNT)
    gathered = argument(row, _GATHERED)
    panel_columns = pairs * PAIR * TILE_COLUMNS
    panel_output = panel_columns * argument(row, _OUTPUT_SIZE)
    panel_weights = steps * (pairs * PAIR * B_TILE_BYTES)

    memory = _memory()
    sums = memory + _TABLE_BYTES
    finished = sums + SCRATCH_BYTES
    copies = finished + SCRATCH_BYTES
    table = i64_pointer(memory)
    table[_TO_FUNCTION] = argument(row, _FUNCTION)
    table[_TO_STRIDE] = argument(row, _STRIDE)
    table[_TO_STEPS] = steps
    table[_TO_STEP_OFFSETS] = argument(row, _STEP_OFFSETS)
    table[_TO_HEIGHT] = height
    table[_TO_ROWS_PER_STEP] = -(-STRIP_TILES * height // (steps * pairs))
    if steps >= _MANY_STEPS:
        finished = sums
        table[_TO_ROWS_PER_STEP] = -(-STRIP_TILES * height // steps)
    table[_TO_COUNT] = 0
    table[_TO_BLOCK] = blocks

    # A thread's first and last panel (or strip) may be shared with its neighbours: of the first
    # one it leaves out so many strips (panels) at the beginning, of the last one at the end.
    by_panels = argument(row, _BY_PANELS) != 0
    across = strip_count if by_panels else panels
    first_unit = panels * strip_count * thread // threads
    end_unit = panels * strip_count * (thread + 1) // threads
    first, end = first_unit // across, -(-end_unit // across)
    left_out_first, left_out_last = first_unit - first * across, end * across - end_unit
    first_panel, end_panel, first_strip, end_strip = 0, panels, 0, strip_count
    if by_panels:
        first_panel, end_panel = first, end
        if end - first == 1:
            first_strip, end_strip = left_out_first, strip_count - left_out_last
    else:
        first_strip, end_strip = first, end
        if end - first == 1:
            first_panel, end_panel = left_out_first, panels - left_out_last

    configure_tiles((argument(row, _CONFIGURATION),))
    base = argument(row, _A)
    start = first_strip
    while start < end_strip:
        stop = min(start + argument(row, _STRIPS_PER_BLOCK), end_strip)
        if gathered != 0:
            top = argument(strips, start * STRIP_WORDS + 2)
            last = (stop - 1) * STRIP_WORDS
            bottom = argument(strips, last + 2) + argument(strips, last + 3)
            gather_rows(
                (
                    argument(row, _A),
                    argument(row, _SOURCE_ROWS) + 8 * top,
                    bottom - top,
                    argument(row, _SEGMENTS),
                    argument(row, _SEGMENT_OFFSETS),
                    argument(row, _SEGMENT_BYTES),
                    copies,
                    gathered,
                )
            )
            base = copies - argument(strips, start * STRIP_WORDS)
        for p in range(first_panel, end_panel):
            weights = argument(row, _WEIGHTS) + p * panel_weights
            block = blocks + p * argument(row, _PANEL_BLOCK)
            ahead = weights + panel_weights
            table[_TO_B] = weights
            table[_TO_BIAS] = block
            from_strip, to_strip = start, stop
            if by_panels:
                if p == first:
                    from_strip = max(start, left_out_first)
                if p == end - 1:
                    to_strip = min(stop, strip_count - left_out_last)
            else:
                if start == first and p < left_out_first:
                    from_strip = start + 1
                if stop == end and p >= panels - left_out_last:
                    to_strip = stop - 1
            # The next panel's weights are fetched during this one's multiplications.
            fetch = p + 1 < end_panel and start == first_strip
            lines = -(-TILE_ROWS * PAIR // max(1, to_strip - from_strip)) if fetch else 0
            table[_TO_AHEAD_LINES] = lines
            for s in range(from_strip, to_strip):
                word = s * STRIP_WORDS
                table[_TO_A0] = base + argument(strips, word)
                table[_TO_A1] = base + argument(strips, word + 1)
                table[_TO_SUMS] = sums
                table[_TO_FINISHED] = finished
                table[_TO_AHEAD] = ahead + (s - from_strip) * (lines * pairs * steps * TILE_BYTES)
                call_kernel(memory, 0, 1)
                sums, finished = finished, sums
                table[_TO_ROWS] = argument(row, _ROWS) + 8 * ROW_WORDS * argument(strips, word + 2)
                table[_TO_COUNT] = argument(strips, word + 3)
                table[_TO_BLOCK] = block
                table[_TO_C] = argument(row, _C) + p * panel_output
                table[_TO_R] = argument(row, _R) + p * panel_output
                table[_TO_VALID] = argument(row, _COLUMNS) - p * panel_columns
        start = stop
    table[_TO_STEPS] = 0  # nothing more to multiply
    table[_TO_FINISHED] = finished
    call_kernel(memory, 0, 1)
    release_tiles((0,))
