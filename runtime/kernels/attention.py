"""Attention: scores, softmax and weighted values of one block of queries at a time.

    for every sample, head:    pack k^T and v                    (attention_tiles)
        for 32 queries:        S = q @ k^T                       32 x K, in first-level cache
                               W, t = weights of S, their sums   (attention_rows)
                               O = W @ v
                               y = O scaled by 1 / t

Heads are columns of q, k, v and y: nothing is transposed in memory, and no score leaves the cache.
Bytes are multiplied exactly, with 32-bit sums, and equal `runtime.reference.integer.attention` in
every bit; floats sum in another order than `runtime.reference.attention`, within 1e-5 of the
greatest |v|. bfloat16 is multiplied and summed in float32; weights are rounded to bfloat16 before
they multiply v, which adds at most 2^-8.8 of the greatest |v|, and so are results. Threads share
the blocks; each has scratch memory of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from dialects.elements import bfloat16
from runtime.kernels.abi import Call, Kernel, View, f32_bits
from runtime.kernels.amx_tile import TILE_BYTES, TILE_ROWS, tile_configuration
from runtime.kernels.attention_rows import GROUP, finish_rows, softmax_rows
from runtime.kernels.attention_strips import StripProducts
from runtime.kernels.attention_tiles import Products, attention_multiply
from runtime.kernels.intrinsics import argument, call_words
from runtime.kernels.isa import AMX, Isa, tile_registers_permitted
from runtime.kernels.multiply import ElementKind, multiply_for

QUERIES = 32
"""Queries per block: 128 keys then have 16 KB of scores."""

_MOST_SLOTS = 64
"""Threads that can share one attention; scratch memory that no thread uses is never touched."""

_SOFTMAX_NS, _PRODUCT_NS = 0.4, 0.003
"""About what a score costs besides its products, and a product: for sharing work."""

_FLIP = 0x80808080
_MOST_KEYS = (2**31 - 1) // 255**2
"""Weights and centered values are at most 255: so many products fit 32 bits."""
_MOST_COLUMNS = (2**31 - 1) // (255 * 128)


@dataclass(frozen=True)
class Scaling:
    """The numbers of an attention on bytes: multipliers as in the reference, zero points of the
    bytes as they are stored (unsigned)."""

    q_zero_point: int
    v_zero_point: int
    score_multiplier: float
    value_multiplier: float
    zero_point: int
    low: int
    high: int


def every_kernel(isa: Isa) -> list[Kernel]:
    """All kernels that attention may ask for."""
    found = [_products(isa, "u8"), _products(isa, "f32")]
    if multiply_for(isa, "bf16") is not None:
        found += [Products(attention_multiply(isa, "bf16")), _products(isa, "bf16")]
    makers = dict.fromkeys(found)
    return [kernel for of in makers for kernel in (attention_kernel(of), of.tile())]


def takes_bf16(isa: Isa, depth: int) -> bool:
    """Whether heads of `depth` columns of bfloat16 have a kernel; an odd one would multiply the
    zeros it is padded with by what follows, which may be a NaN."""
    return depth % 2 == 0 and multiply_for(isa, "bf16") is not None


def _products(isa: Isa, kind: ElementKind, depth: int = TILE_BYTES) -> Products:
    multiply = attention_multiply(isa, kind)
    whole = kind == "bf16" and depth * multiply.element_bytes % TILE_BYTES == 0
    strips = (kind == "u8" or whole) and AMX in isa.lineage and tile_registers_permitted()
    return StripProducts(multiply) if strips else Products(multiply)


def _kind(q: View, scaling: Scaling | None) -> ElementKind:
    if scaling is not None:
        return "u8"
    return "bf16" if q.dtype == bfloat16 else "f32"


def attention_calls(
    q: View,
    k: View,
    v: View,
    mask: View | None,
    y: View,
    *,
    heads: int,
    scale: float,
    isa: Isa,
    scaling: Scaling | None = None,
) -> list[Call]:
    """y = softmax(q @ k^T * scale + mask) @ v per head; q, k, v, y all u8 (with `scaling`), f32,
    or bf16 where `takes_bf16`.

    q, y: [B, Q, H * D] and [B, Q, H * V], k, v: [B, K, H * D] and [B, K, H * V], with adjacent
    columns; mask: float32, broadcast to [B, H, Q, K], with adjacent keys.
    Raises `ValueError` for other layouts, and for more keys than 32-bit sums hold.
    """
    if y.size == 0:
        return []
    for view, name in ((q, "q"), (k, "k"), (v, "v"), (y, "y")):
        if view.strides[2] != 1 and view.shape[2] > 1:
            raise ValueError(f"attention: {name} has column stride {view.strides[2]}, expected 1")
    batch, queries, _ = q.shape
    keys, depth, columns = k.shape[1], q.shape[2] // heads, v.shape[2] // heads
    if scaling is not None and (keys > _MOST_KEYS or depth > _MOST_COLUMNS):
        raise ValueError(
            f"attention: {keys} keys and {depth} columns per head, but 32-bit sums hold at most "
            f"{_MOST_KEYS} and {_MOST_COLUMNS}; use a float precision"
        )
    kind = _kind(q, scaling)
    if kind == "bf16" and not takes_bf16(isa, depth):
        raise ValueError(f"attention: {isa} has no kernel for bfloat16 heads of {depth} columns")
    products = _products(isa, kind, depth)
    mask, kept = _mask_of(mask, (batch, heads, queries, keys))
    scratch = _Scratch(products, keys, depth, columns)
    items = batch * heads * -(-queries // QUERIES)
    slots = min(items, _MOST_SLOTS)
    # Zeros: bytes behind the last weight of a row are multiplied too.
    memory = np.zeros(slots * scratch.size + 64, np.uint8)
    start = memory.ctypes.data + (-memory.ctypes.data % 64)
    zeros = np.zeros(products.vectors * products.lanes, np.int32)
    tiles = np.frombuffer(tile_configuration(TILE_ROWS), np.uint8)
    if scaling is None:
        numbers = (0, 0, f32_bits(scale), 0, 0, 0, 0)
    else:
        numbers = (
            -scaling.q_zero_point,
            scaling.v_zero_point - 128,
            f32_bits(scaling.score_multiplier),
            f32_bits(scaling.value_multiplier),
            f32_bits(scaling.low - scaling.zero_point),
            f32_bits(scaling.high - scaling.zero_point),
            scaling.zero_point,
        )
    size = q.dtype.itemsize
    arguments = (
        *(view.address for view in (q, k, v, mask, y)),
        *(stride for view in (q, k, v, y) for stride in view.byte_strides[:2]),
        *mask.byte_strides[:3],
        batch,
        heads,
        queries,
        keys,
        depth * size,
        columns * size,
        *scratch.words(),
        start,
        slots,
        zeros.ctypes.data,
        columns,
        tiles.ctypes.data,
        0 if scaling is None else _FLIP,
        *numbers,
        products.tile().address,
    )
    kept = (memory, zeros, tiles, *kept)
    work = batch * heads * queries * keys * (_SOFTMAX_NS + (depth + columns) * _PRODUCT_NS)
    return [Call(attention_kernel(products), arguments, kept, work=work)]


def _mask_of(mask: View | None, scores: tuple[int, ...]) -> tuple[View, tuple[np.ndarray, ...]]:
    """The mask, or zeros, as a view of the scores' shape, and what must be kept for it."""
    kept: tuple[np.ndarray, ...] = ()
    if mask is None:
        # A whole register may be read behind the last key.
        kept = (np.zeros(scores[-1] + 16, np.float32),)
        mask = View.of(kept[0][: scores[-1]])
    elif mask.dtype != np.float32:
        raise ValueError(f"attention: the mask should be float32, got {mask.dtype}")
    if mask.strides[-1] != 1 and mask.shape[-1] > 1:
        raise ValueError(f"attention: the mask has key stride {mask.strides[-1]}, expected 1")
    return mask.broadcast_to(scores), kept


@dataclass(frozen=True)
class _Scratch:
    """The scratch memory of one thread, in bytes: packed k^T and v, the sums their products start
    from, a block's scores, weights, totals and weighted values."""

    products: Products
    keys: int
    depth: int
    columns: int

    def _panels(self, columns: int) -> int:
        """Panels for so many columns, whole tiles of them."""
        tile = self.products.vectors * self.products.lanes
        return -(-columns // tile) * self.products.vectors

    @property
    def key_panels(self) -> int:
        return self._panels(self.keys)

    @property
    def value_panels(self) -> int:
        return self._panels(self.columns)

    @property
    def key_steps(self) -> int:
        return -(-self.depth // self.products.taps)

    @property
    def key_blocks(self) -> int:
        return -(-self.key_steps // self.products.lanes)

    @property
    def value_steps(self) -> int:
        steps = -(-self.keys // self.products.taps)
        # Floats are padded with the last value: whatever lies there may be a NaN.
        together = 1 if self.products.integer else self.products.steps_together
        return -(-steps // together) * together

    @property
    def score_row(self) -> int:
        """Bytes of a row of scores: the softmax's groups and the product's panels."""
        group = GROUP * self.products.lanes
        panels = max(self.key_panels, -(-self.keys // group) * GROUP)
        return panels * 4 * self.products.lanes

    @property
    def weight_row(self) -> int:
        """Bytes of a row of weights: whole lines; floats lie over their scores."""
        size = self.products.multiply.element_bytes
        return 0 if size == 4 else -(-self.keys * size // 64) * 64

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each part, in the order of the class's docstring."""
        register = 4 * self.products.lanes
        key_panel = self.key_blocks * self.products.lanes * register
        score_row = self.score_row
        weight_row = self.weight_row
        return (
            self.key_panels * key_panel,
            self.value_panels * self.value_steps * register,
            max(self.key_panels, self.value_panels) * register,
            QUERIES * score_row,
            QUERIES * weight_row,
            4 * QUERIES,
            QUERIES * self.value_panels * register,
            QUERIES * self.products.query_row(self.depth),
        )

    @property
    def offsets(self) -> tuple[int, ...]:
        ends = np.cumsum([-(-size // 64) * 64 for size in self.sizes]).tolist()
        return (0, *ends)

    @property
    def size(self) -> int:
        return self.offsets[-1]

    def words(self) -> tuple[int, ...]:
        """What the kernel is told: size, offsets, and the packed shapes."""
        tail = self.depth % self.products.taps
        return (
            self.size,
            *self.offsets[1:-1],
            self.key_panels,
            self.key_blocks,
            self.key_steps,
            self.value_panels,
            self.value_steps,
            (1 << 8 * tail) - 1 if tail else -1,
            self.score_row,
            self.weight_row,
            self.products.query_row(self.depth),
        )


@cache
def attention_kernel(products: Products) -> Kernel:
    """The kernel of one instruction set and element type; see the module's docstring."""
    pack_keys, pack_values = products.pack_columns(), products.pack_rows()
    column_sums = products.column_sums()
    softmax, finish = softmax_rows(products), finish_rows(products)
    lanes, tile_rows, vectors = products.lanes, products.rows, products.vectors
    register = 4 * lanes
    gather, begin, end = products.gather(), products.begin(), products.end()
    together = products.steps_together

    def attention(row: int, thread: int, threads: int) -> None:
        slots = min(threads, argument(row, 41))
        if thread >= slots:
            return
        q, k, v = argument(row, 1), argument(row, 2), argument(row, 3)
        mask, y = argument(row, 4), argument(row, 5)
        q_batch, q_row = argument(row, 6), argument(row, 7)
        k_batch, k_row = argument(row, 8), argument(row, 9)
        v_batch, v_row = argument(row, 10), argument(row, 11)
        y_batch, y_row = argument(row, 12), argument(row, 13)
        mask_batch, mask_head, mask_row = argument(row, 14), argument(row, 15), argument(row, 16)
        batch, heads = argument(row, 17), argument(row, 18)
        queries, keys = argument(row, 19), argument(row, 20)
        depth_bytes, column_bytes = argument(row, 21), argument(row, 22)
        packed_keys = argument(row, 40) + thread * argument(row, 23)
        packed_values = packed_keys + argument(row, 24)
        bias = packed_keys + argument(row, 25)
        scores = packed_keys + argument(row, 26)
        weights = packed_keys + argument(row, 27)
        totals = packed_keys + argument(row, 28)
        sums = packed_keys + argument(row, 29)
        copied = packed_keys + argument(row, 30)
        key_panels, key_blocks, key_steps = argument(row, 31), argument(row, 32), argument(row, 33)
        value_panels, value_steps = argument(row, 34), argument(row, 35)
        tail, copied_row = argument(row, 36), argument(row, 39)
        score_row, weight_row = argument(row, 37), argument(row, 38)
        zeros, columns, tiles = argument(row, 42), argument(row, 43), argument(row, 44)
        flip, q_zero, v_zero = argument(row, 45), argument(row, 46), argument(row, 47)
        score_multiplier, value_multiplier = argument(row, 48), argument(row, 49)
        low, high, zero = argument(row, 50), argument(row, 51), argument(row, 52)
        tile = argument(row, 53)

        key_panel = key_blocks * lanes * register
        value_panel = value_steps * register
        if weight_row == 0:
            weights, weight_row = scores, score_row
        key_tile_steps = (key_steps + together - 1) // together
        value_tile_steps = (value_steps + together - 1) // together
        sum_row = value_panels * register
        blocks = (queries + QUERIES - 1) // QUERIES
        items = batch * heads * blocks
        packed = -1
        begin((tiles,))
        for item in range(items * thread // slots, items * (thread + 1) // slots):
            head_of_all = item // blocks
            first = (item - head_of_all * blocks) * QUERIES
            sample = head_of_all // heads
            head = head_of_all - sample * heads
            if head_of_all != packed:
                packed = head_of_all
                source = k + sample * k_batch + head * depth_bytes
                pack_keys(
                    (
                        source,
                        k_row,
                        keys - 1,
                        key_panels,
                        key_blocks,
                        packed_keys,
                        flip,
                        key_steps - 1,
                        tail,
                    )
                )
                column_sums((packed_keys, key_panels, key_steps, key_panel, bias, q_zero))
                source = v + sample * v_batch + head * column_bytes
                pack_values(
                    (
                        source,
                        v_row,
                        keys - 1,
                        value_steps,
                        (columns + lanes - 1) // lanes,
                        packed_values,
                        flip,
                    )
                )
            count = min(QUERIES, queries - first)
            start = q + sample * q_batch + head * depth_bytes + first * q_row
            if copied_row > 0:
                gather((start, q_row, count - 1, depth_bytes, copied, copied_row))
                start, start_row = copied, copied_row
            else:
                start_row = q_row
            for panel in range(0, key_panels, vectors):
                for i in range(0, count, tile_rows):
                    call_words(
                        tile,
                        (
                            start + i * start_row,
                            start_row,
                            count - 1 - i,
                            packed_keys + panel * key_panel,
                            key_panel,
                            key_tile_steps,
                            bias + panel * register,
                            scores + i * score_row + panel * register,
                            score_row,
                        ),
                    )
            added = mask + sample * mask_batch + head * mask_head + first * mask_row
            softmax(
                (
                    scores,
                    score_row,
                    keys,
                    count,
                    weights,
                    weight_row,
                    added,
                    mask_row,
                    score_multiplier,
                    totals,
                )
            )
            for panel in range(0, value_panels, vectors):
                for i in range(0, count, tile_rows):
                    call_words(
                        tile,
                        (
                            weights + i * weight_row,
                            weight_row,
                            count - 1 - i,
                            packed_values + panel * value_panel,
                            value_panel,
                            value_tile_steps,
                            zeros,
                            sums + i * sum_row + panel * register,
                            sum_row,
                        ),
                    )
            target = y + sample * y_batch + head * column_bytes + first * y_row
            finish(
                (
                    sums,
                    sum_row,
                    columns,
                    count,
                    totals,
                    target,
                    y_row,
                    v_zero,
                    value_multiplier,
                    low,
                    high,
                    zero,
                )
            )

        end((0,))

    return Kernel.of(attention, products)
