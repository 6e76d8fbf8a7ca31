"""Matrix products with numpy's semantics.

    y[..., i, j] = epilogue(sum over k of  a[..., i, k] * b[..., k, j])

A constant matrix b is packed when the plan is made, and all leading axes of a are rows of one
product. A b with leading axes, or one known only at run time (float32), is a product per matrix.
"""

from __future__ import annotations

from itertools import product as indices

import numpy as np

from runtime.kernels.abi import Call, View
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.gemm import Product, product_calls
from runtime.kernels.isa import Isa
from runtime.kernels.layout import fold_zero_points


def matmul_calls(
    a: View,
    b: np.ndarray | View,
    bias: np.ndarray | None,
    y: View,
    *,
    epilogue: Epilogue,
    isa: Isa,
    a_zero_point: int = 0,
    b_zero_point: int | np.ndarray = 0,
    residual: View | None = None,
) -> list[Call]:
    """Plans a matrix product.

    a: [..., M, K], u8 or float32.  b: [..., K, N], int8, uint8 or float32; a view must be float32.
    bias: [N] int32 or float32.  y, residual: [..., M, N] with adjacent columns. Leading axes
    broadcast.  One-dimensional operands are numpy's: a [K] is a row, b [K] a column, and y lacks
    the axis. Raises `ValueError` for a layout the kernels do not take.
    """
    if a.rank == 1:
        a, y = a.expand_dims(0), y.expand_dims(y.rank if len(b.shape) == 1 else -2)
        residual = None if residual is None else residual.reshape(y.shape)
    if len(b.shape) == 1:
        b = b.expand_dims(1) if isinstance(b, View) else b[:, None]
        if y.rank < a.rank:
            y = y.expand_dims(-1)
            residual = None if residual is None else residual.expand_dims(-1)
    for view, name in ((y, "y"), (residual, "residual")):
        if view is not None and view.shape[-1] > 1 and view.strides[-1] != 1:
            raise ValueError(f"matmul: {name} has column stride {view.strides[-1]}, expected 1")
    if isinstance(b, View) and b.dtype != np.float32:
        raise ValueError(f"matmul: b of type {b.dtype} must be a constant")

    lead = y.shape[:-2]
    a = a.broadcast_to((*lead, *a.shape[-2:]))
    matrices = int(np.prod(b.shape[:-2]))
    batches = [()] if matrices == 1 else list(indices(*map(range, lead)))
    calls: list[Call] = []
    for batch in batches:
        weights, folded = _matrix(b, batch, lead, bias, a_zero_point, b_zero_point)
        part, output = _at(a, batch), _at(y, batch)
        added = None if residual is None else _at(residual.broadcast_to(y.shape), batch)
        segments, weights = _segments(part, weights)
        problem = Product(
            a=part.address,
            rows=row_offsets(part),
            segments=segments,
            weights=weights,
            bias=folded,
            c=output.address,
            outputs=row_offsets(output),
            epilogue=epilogue,
            residual=0 if added is None else added.address,
            residuals=None if added is None else row_offsets(added),
        )
        calls += product_calls(problem, isa)
    return calls


def _matrix(
    b: np.ndarray | View,
    batch: tuple[int, ...],
    lead: tuple[int, ...],
    bias: np.ndarray | None,
    a_zero_point: int,
    b_zero_point: int | np.ndarray,
) -> tuple[np.ndarray | View, np.ndarray]:
    """The [K, N] matrix of one batch index, and the bias with zero points folded in."""
    k, n = b.shape[-2:]
    if isinstance(b, View):
        if not batch:
            batch, lead = (0,) * (b.rank - 2), b.shape[:-2]
        matrix = _at(b.broadcast_to((*lead, k, n)), batch)
        return matrix, np.zeros(n, np.float32) if bias is None else bias
    matrix = np.broadcast_to(b, (*lead, k, n))[batch] if batch else b.reshape(k, n)
    columns, folded = fold_zero_points(matrix.T, bias, a_zero_point, b_zero_point)
    return columns.T, folded


def _at(view: View, index: tuple[int, ...]) -> View:
    """`view[index]`."""
    step = sum(i * stride for i, stride in zip(index, view.byte_strides, strict=False))
    rank = len(index)
    return View(view.address + step, view.shape[rank:], view.strides[rank:], view.dtype)


def row_offsets(view: View) -> np.ndarray:
    """Byte offset of each row of [..., M, K], rows counted through all leading axes."""
    offsets = np.zeros(1, np.int64)
    for size, stride in zip(view.shape[:-1], view.byte_strides, strict=False):
        offsets = (offsets[:, None] + np.arange(size) * stride).reshape(-1)
    return offsets


def _segments(a: View, matrix: np.ndarray | View) -> tuple[np.ndarray, np.ndarray | View]:
    """The runs of K that are adjacent in a (all of it, or single elements), and b as [S, K, N]."""
    k, n = matrix.shape
    if a.strides[-1] == 1 or k == 1:
        whole = matrix.expand_dims(0) if isinstance(matrix, View) else matrix[None]
        return np.zeros(1, np.int64), whole
    if isinstance(matrix, View):
        raise ValueError(f"matmul: a has stride {a.strides[-1]} along K, expected 1")
    return np.arange(k) * a.byte_strides[-1], matrix.reshape(k, 1, n)
