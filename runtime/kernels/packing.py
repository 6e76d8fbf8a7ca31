"""Orders weights as the tiles read them, and keeps them aligned.

tile       [panel][segment][K / taps][NR][L][taps]    zero-padded in K and N  (see `tile`)
portable   [N][segment][K] int16 (integers, widened), [segment][K][N] float32
"""

from __future__ import annotations

import os
import threading
import weakref

import numpy as np

from runtime.kernels.abi import Call, View, aligned, kernel
from runtime.kernels.intrinsics import argument, f32_pointer
from runtime.kernels.multiply import Multiply

PORTABLE_COLUMNS = 4
"""Columns of a plain loop that share one pass over a row's activations."""


def pack_tiles(
    weights: np.ndarray, multiply: Multiply, vectors: int, order: np.ndarray | None = None
) -> np.ndarray:
    """Packs weights [segments, K, N] for tiles of `vectors` registers; the first axis is the panel.

    order: the channel of each of a panel's columns, if it is not that of the columns.

    Weights that nobody can write to are packed once for all plans that use them.
    """
    if weights.flags.writeable:
        return _packed_tiles(weights, multiply, vectors, order)
    key = (
        weights.__array_interface__["data"][0],
        weights.shape,
        weights.strides,
        weights.dtype.str,
        (multiply.isa.name, multiply.kind, multiply.lanes, vectors),
        None if order is None else order.tobytes(),
    )
    with _packing:
        found = _packed.get(key)
        packed = None if found is None else found[1]()
        if packed is None:
            packed = _packed_tiles(weights, multiply, vectors, order)
            # As long as the weights are held, their address is theirs.
            _packed[key] = weights, weakref.ref(packed)
            weakref.finalize(packed, _forget, key)
    return packed


_packed: dict[object, tuple[np.ndarray, weakref.ref[np.ndarray]]] = {}
"""Weights and what they are packed as, while some plan uses that."""
_packing = threading.RLock()
"""Held while a pack is looked up; collecting garbage meanwhile may end others."""


def _forget(key: object) -> None:
    with _packing:
        found = _packed.get(key)
        if found is not None and found[1]() is None:
            del _packed[key]


def _renew_lock() -> None:
    global _packing
    _packing = threading.RLock()


# In a forked child, the thread that held the lock may not exist.
os.register_at_fork(after_in_child=_renew_lock)


def _packed_tiles(
    weights: np.ndarray, multiply: Multiply, vectors: int, order: np.ndarray | None
) -> np.ndarray:
    segments, k, n = weights.shape
    taps = 4 // weights.itemsize
    steps = -(-k // taps)
    columns = vectors * multiply.lanes
    panels = -(-n // columns)
    padded = np.zeros((segments, steps * taps, panels * columns), weights.dtype)
    padded[:, :k, :n] = weights
    if order is not None:
        padded = padded.reshape(segments, steps * taps, panels, columns)[..., order]
    groups = padded.reshape(segments, steps, taps, panels, vectors, multiply.lanes)
    return aligned(multiply.pack(groups.transpose(3, 0, 1, 4, 5, 2)))


def pack_panels_call(b: View, columns: int) -> tuple[Call, np.ndarray]:
    """A call that packs float32 b [1, K, N] of any strides as [panel][K][columns], and where it
    goes.

    The last panel is padded with zeros; `columns` is the width of a tile, or 1 for plain loops.
    """
    _, k, n = b.shape
    panels = -(-n // columns)
    if columns == 1:
        panels = -(-n // PORTABLE_COLUMNS) * PORTABLE_COLUMNS
    packed = aligned(np.zeros((panels, k, columns), np.float32))
    arguments = (b.address, k, n, b.strides[1], b.strides[2], packed.ctypes.data, columns)
    return Call(pack_panels_f32, arguments, (packed,)), packed


@kernel
def pack_panels_f32(row: int, thread: int, threads: int) -> None:
    """packed[panel, k, j] = b[k, panel * columns + j]"""
    b = f32_pointer(argument(row, 1))
    depth = argument(row, 2)
    n = argument(row, 3)
    row_stride = argument(row, 4)
    column_stride = argument(row, 5)
    packed = f32_pointer(argument(row, 6))
    columns = argument(row, 7)
    panels = (n + columns - 1) // columns
    total = panels * depth
    for i in range(total * thread // threads, total * (thread + 1) // threads):
        panel = i // depth
        first = panel * columns
        start = (i - panel * depth) * row_stride + first * column_stride
        count = min(columns, n - first)
        if column_stride == 1:
            for j in range(count):
                packed[i * columns + j] = b[start + j]
        else:
            for j in range(count):
                packed[i * columns + j] = b[start + j * column_stride]
