"""Shape inference: one function per op, shared by the `nn` and the `kernel` dialect.

Every function takes the operands' shapes in order, then the op's options by name, and gives
the list of result shapes. Options that say nothing about shapes are swallowed by `**_`. Because
the same functions run at import, in the verifiers and when a program is planned anew for another
batch size or sequence length, an op's options must not bake in what may vary: `reshape`, `expand`
and `crop` code their target as literal sizes, "infer" or "copy of operand dimension i". Where a
size is not one of x's own, a second operand `like` has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dialects.errors import OctetError, SizeLimitError

Shape = tuple[int, ...]

INFER = -1
"""In a coded target shape: the size that makes the number of elements come out."""


def copy_of(dimension: int) -> int:
    """In a coded target shape: the size of the operand's `dimension`."""
    return -(2 + dimension)


def copied_dimension(code: int) -> int | None:
    """The operand dimension a code copies, or None if the code is a literal or `INFER`."""
    return -code - 2 if code <= -2 else None


def resolve_reshape(shape: Shape, target: Sequence[int]) -> Shape:
    """The shape that the coded `target` means for an operand of `shape`."""
    resolved = [_resolve_code(shape, code) for code in target]
    if resolved.count(INFER) > 1:
        raise OctetError(f"reshape target {list(target)} leaves more than one size to infer")
    if INFER in resolved:
        known = math.prod(size for size in resolved if size != INFER)
        elements = math.prod(shape)
        if known == 0 or elements % known:
            raise OctetError(f"cannot reshape {list(shape)} to {list(target)}: sizes do not divide")
        resolved[resolved.index(INFER)] = elements // known
    if math.prod(resolved) != math.prod(shape):
        raise OctetError(
            f"cannot reshape {list(shape)} ({math.prod(shape)} elements) to {resolved} "
            f"({math.prod(resolved)} elements)"
        )
    return tuple(resolved)


def _resolve_code(shape: Shape, code: int) -> int:
    dimension = copied_dimension(code)
    if dimension is None:
        return code
    if dimension >= len(shape):
        raise OctetError(f"shape code d{dimension} copies a dimension that {list(shape)} lacks")
    return shape[dimension]


def broadcast(*shapes: Shape) -> Shape:
    """Numpy's broadcasting rule."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    result: list[int] = []
    for sizes in zip(*padded, strict=True):
        size = max(sizes) if 0 not in sizes else 0
        if any(other not in (1, size) for other in sizes):
            raise OctetError(f"shapes {[list(shape) for shape in shapes]} do not broadcast")
        result.append(size)
    return tuple(result)


def normalize_axis(axis: int, rank: int) -> int:
    """A non-negative axis; raises OctetError if there is no such dimension."""
    if not -max(rank, 1) <= axis < max(rank, 1):
        raise OctetError(f"axis {axis} is out of range for {rank} dimension(s)")
    return axis % max(rank, 1)


# --- elementwise ----------------------------------------------------------------------------


def same(x: Shape, *_others: Shape, **_: Any) -> list[Shape]:
    return [x]


def elementwise(*shapes: Shape, **_: Any) -> list[Shape]:
    return [broadcast(*shapes)]


# --- linear ---------------------------------------------------------------------------------


def window_size(
    size: int,
    kernel: int,
    stride: int,
    pads: tuple[int, int],
    dilation: int,
    ceil_mode: bool = False,
) -> int:
    """Number of window positions along one dimension (ONNX Conv / MaxPool formula)."""
    reach = dilation * (kernel - 1) + 1
    room = size + pads[0] + pads[1] - reach
    if room < 0:
        return 0
    positions = (math.ceil(room / stride) if ceil_mode else room // stride) + 1
    # ONNX: a last window that would start in the end padding is dropped.
    if ceil_mode and (positions - 1) * stride >= size + pads[0]:
        positions -= 1
    return positions


def _windows(
    spatial: Shape,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: bool = False,
) -> Shape:
    rank = len(spatial)
    for name, values, expected in (
        ("kernel", kernel, rank),
        ("strides", strides, rank),
        ("dilations", dilations, rank),
        ("pads", pads, 2 * rank),
    ):
        if len(values) != expected:
            raise OctetError(f"{name} {list(values)} should have {expected} entries")
    if min(*strides, *dilations, *kernel, 1) < 1:
        raise OctetError("kernel, strides and dilations must be at least 1")
    result = tuple(
        window_size(
            spatial[i], kernel[i], strides[i], (pads[i], pads[rank + i]), dilations[i], ceil_mode
        )
        for i in range(rank)
    )
    if 0 in result:
        raise OctetError(
            f"a window of {list(kernel)} does not fit in {list(spatial)} with pads {list(pads)}"
        )
    return result


def conv(
    x: Shape,
    weight: Shape,
    *_operands: Shape,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    **_: Any,
) -> list[Shape]:
    if len(x) != len(weight) or len(x) not in (3, 4):
        raise OctetError(
            f"conv takes x [N, C, W] or [N, C, H, W] and a weight of the same rank, got "
            f"{list(x)} and {list(weight)}"
        )
    if groups < 1 or x[1] != weight[1] * groups or weight[0] % groups:
        raise OctetError(
            f"conv: x has {x[1]} channels, the weight {list(weight)} with {groups} group(s) "
            f"expects {weight[1] * groups}"
        )
    return [(x[0], weight[0], *_windows(x[2:], weight[2:], strides, pads, dilations))]


def conv_transpose(
    x: Shape,
    weight: Shape,
    *_operands: Shape,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    output_padding: Sequence[int],
    **_: Any,
) -> list[Shape]:
    rank = len(x) - 2
    if len(x) != len(weight) or rank not in (1, 2):
        raise OctetError(f"conv_transpose: ranks of {list(x)} and {list(weight)} do not fit")
    if x[1] != weight[0] or x[1] % groups:
        raise OctetError(f"conv_transpose: x {list(x)} does not fit the weight {list(weight)}")
    spatial = tuple(
        (x[2 + i] - 1) * strides[i]
        + dilations[i] * (weight[2 + i] - 1)
        + 1
        + output_padding[i]
        - pads[i]
        - pads[rank + i]
        for i in range(rank)
    )
    if min(spatial) < 1:
        raise OctetError(f"conv_transpose: pads {list(pads)} leave no output")
    return [(x[0], weight[1] * groups, *spatial)]


def matmul(a: Shape, b: Shape, *_operands: Shape, **_: Any) -> list[Shape]:
    if not a or not b:
        raise OctetError("matmul takes operands of at least one dimension")
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise OctetError(f"matmul: inner sizes of {list(a)} and {list(b)} differ")
    result = (*broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    if len(b) == 1:
        result = result[:-1]
    if len(a) == 1:
        result = (*result[:-2], result[-1]) if len(b) > 1 else result[:-1]
    return [result]


def matmul_nbits(
    a: Shape, b: Shape, scales: Shape, *_operands: Shape, bits: int, block_size: int, **_: Any
) -> list[Shape]:
    """a [.., K] and weights [N, blocks, bytes of a block], as ONNX Runtime stores them."""
    if bits not in (4, 8):
        raise OctetError(f"matmul_nbits: weights have 4 or 8 bits, got {bits}")
    if block_size < 1 or block_size * bits % 8:
        raise OctetError(
            f"matmul_nbits: a block of {block_size} weights of {bits} bits is no whole number of "
            "bytes"
        )
    if not a or len(b) != 3:
        raise OctetError(
            f"matmul_nbits: expected a [.., K] and b [N, blocks, bytes], got {list(a)} and "
            f"{list(b)}"
        )
    blocks = -(-a[-1] // block_size)
    if b[1:] != (blocks, block_size * bits // 8):
        raise OctetError(
            f"matmul_nbits: K = {a[-1]} in blocks of {block_size} weights of {bits} bits is b "
            f"[N, {blocks}, {block_size * bits // 8}], got {list(b)}"
        )
    if scales != b[:2]:
        raise OctetError(
            f"matmul_nbits: scales are [N, blocks] = {list(b[:2])}, got {list(scales)}"
        )
    return [(*a[:-1], b[0])]


def matmul_dynamic(a: Shape, b: Shape, *_operands: Shape, **options: Any) -> list[Shape]:
    """a [.., K] times a matrix [K, N]."""
    if len(b) != 2:
        raise OctetError(f"matmul_dynamic: the weights are a matrix [K, N], got {list(b)}")
    return matmul(a, b)


def attention(
    q: Shape, k: Shape, v: Shape, mask: Shape | None = None, *, heads: int, **_: Any
) -> list[Shape]:
    """[B, Q, heads * D], [B, K, heads * D], [B, K, heads * V] to [B, Q, heads * V]."""
    if any(len(shape) != 3 for shape in (q, k, v)):
        raise OctetError(
            f"attention takes q [B, Q, H * D], k [B, K, H * D] and v [B, K, H * V], got "
            f"{list(q)}, {list(k)} and {list(v)}"
        )
    if heads < 1 or q[2] % heads or v[2] % heads:
        raise OctetError(f"attention: {heads} heads do not divide {q[2]} and {v[2]} columns")
    if q[0] != k[0] or k[:2] != v[:2] or q[2] != k[2]:
        raise OctetError(
            f"attention: q {list(q)}, k {list(k)} and v {list(v)} do not belong together"
        )
    scores = (q[0], heads, q[1], k[1])
    if mask is not None and (broadcast(mask, scores) != scores or mask[-1:] != scores[-1:]):
        raise OctetError(
            f"attention: a mask {list(mask)} does not fit scores {list(scores)}; it has their "
            "last dimension and broadcasts to the others"
        )
    return [(q[0], q[1], v[2])]


# --- pooling --------------------------------------------------------------------------------


def pool(
    x: Shape,
    *,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: bool,
    **_: Any,
) -> list[Shape]:
    if len(x) not in (3, 4):
        raise OctetError(f"pooling takes [N, C, W] or [N, C, H, W], got {list(x)}")
    return [(*x[:2], *_windows(x[2:], kernel, strides, pads, dilations, ceil_mode))]


# --- reductions -----------------------------------------------------------------------------


def reduce(x: Shape, *, axes: Sequence[int], keepdims: bool, **_: Any) -> list[Shape]:
    reduced = {normalize_axis(axis, len(x)) for axis in axes}
    if keepdims:
        return [tuple(1 if i in reduced else size for i, size in enumerate(x))]
    return [tuple(size for i, size in enumerate(x) if i not in reduced)]


def arg_reduce(x: Shape, *, axis: int, keepdims: bool, **_: Any) -> list[Shape]:
    return reduce(x, axes=(axis,), keepdims=keepdims)


def topk(x: Shape, *, k: int, axis: int, **_: Any) -> list[Shape]:
    axis = normalize_axis(axis, len(x))
    if not 0 <= k <= x[axis]:
        raise OctetError(f"topk: k = {k} of {x[axis]} elements")
    result = (*x[:axis], k, *x[axis + 1 :])
    return [result, result]


# --- movement -------------------------------------------------------------------------------


def reshape(x: Shape, *, shape: Sequence[int], **_: Any) -> list[Shape]:
    return [resolve_reshape(x, shape)]


def expand(x: Shape, like: Shape = (), *, shape: Sequence[int], **_: Any) -> list[Shape]:
    """Codes count the dimensions of `like` after those of `x`."""
    known = (*x, *like)
    return [broadcast(x, tuple(_resolve_code(known, code) for code in shape))]


def crop(x: Shape, like: Shape, *, shape: Sequence[int], **_: Any) -> list[Shape]:
    """Codes count the dimensions of `like` after those of `x`."""
    if len(shape) != len(x):
        raise OctetError(f"crop of {list(x)} needs {len(x)} sizes, got {list(shape)}")
    known = (*x, *like)
    wanted = tuple(_resolve_code(known, code) for code in shape)
    if min(wanted, default=0) < 0:
        raise OctetError(f"crop: {list(shape)} has a size to infer; give it")
    for size, limit in zip(wanted, x, strict=True):
        if size > limit:
            raise SizeLimitError(f"it has {limit} entries, but {size} are asked for", wanted)
    return [wanted]


def transpose(x: Shape, *, permutation: Sequence[int], **_: Any) -> list[Shape]:
    if sorted(permutation) != list(range(len(x))):
        raise OctetError(f"{list(permutation)} is no permutation of {len(x)} dimensions")
    return [tuple(x[i] for i in permutation)]


def concat(*shapes: Shape, axis: int, **_: Any) -> list[Shape]:
    rank = len(shapes[0])
    axis = normalize_axis(axis, rank)
    for shape in shapes:
        rest = (*shape[:axis], *shape[axis + 1 :])
        if len(shape) != rank or rest != (*shapes[0][:axis], *shapes[0][axis + 1 :]):
            raise OctetError(f"concat along {axis}: {list(shapes[0])} and {list(shape)} differ")
    total = sum(shape[axis] for shape in shapes)
    return [(*shapes[0][:axis], total, *shapes[0][axis + 1 :])]


def slice_range(size: int, start: int, end: int, step: int) -> range:
    """The indices that one dimension of a slice keeps (ONNX Slice clamping)."""
    if step == 0:
        raise OctetError("slice: a step of zero")
    if start < 0:
        start += size
    if end < 0:
        end += size
    if step > 0:
        return range(min(max(start, 0), size), min(max(end, 0), size), step)
    return range(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step)


def slice(
    x: Shape, *, starts: Sequence[int], ends: Sequence[int], steps: Sequence[int], **_: Any
) -> list[Shape]:
    if not len(starts) == len(ends) == len(steps) == len(x):
        raise OctetError(f"slice of {list(x)} needs a start, end and step per dimension")
    return [
        tuple(
            len(slice_range(size, start, end, step))
            for size, start, end, step in zip(x, starts, ends, steps, strict=True)
        )
    ]


def pad(x: Shape, *, pads: Sequence[int], **_: Any) -> list[Shape]:
    rank = len(x)
    if len(pads) != 2 * rank:
        raise OctetError(f"pad of {list(x)} needs {2 * rank} entries in pads, got {len(pads)}")
    result = tuple(size + pads[i] + pads[rank + i] for i, size in enumerate(x))
    if min(result, default=0) < 0:
        raise OctetError(f"pads {list(pads)} remove more than {list(x)} has")
    return [result]


def tile(x: Shape, *, repeats: Sequence[int], **_: Any) -> list[Shape]:
    if len(repeats) != len(x):
        raise OctetError(f"tile of {list(x)} needs {len(x)} repeats, got {list(repeats)}")
    return [tuple(size * count for size, count in zip(x, repeats, strict=True))]


def gather(x: Shape, indices: Shape, *, axis: int, **_: Any) -> list[Shape]:
    axis = normalize_axis(axis, len(x))
    return [(*x[:axis], *indices, *x[axis + 1 :])]


def resize(
    x: Shape, *, scales: Sequence[float] = (), sizes: Sequence[int] = (), **options: Any
) -> list[Shape]:
    if sizes:
        if len(sizes) != len(x):
            raise OctetError(f"resize of {list(x)} needs {len(x)} sizes, got {list(sizes)}")
        return [tuple(_resolve_code(x, code) for code in sizes)]
    if len(scales) != len(x):
        raise OctetError(f"resize of {list(x)} needs {len(x)} scales, got {list(scales)}")
    roi = options.get("roi") or ()
    if options.get("coordinate_transformation") == "tf_crop_and_resize" and roi:
        extent = [roi[len(x) + i] - roi[i] for i in range(len(x))]
    else:
        extent = [1.0] * len(x)
    # In float32, as runtimes of ONNX compute it: 10 * 0.7 is 7 there, but 6.99.. in float64.
    return [
        tuple(
            math.floor(np.float32(size) * np.float32(part) * np.float32(scale))
            for size, part, scale in zip(x, extent, scales, strict=True)
        )
    ]


def depth_to_space(x: Shape, *, block: int, **_: Any) -> list[Shape]:
    if len(x) != 4 or x[1] % block**2:
        raise OctetError(f"depth_to_space: {list(x)} does not divide by a block of {block}")
    return [(x[0], x[1] // block**2, x[2] * block, x[3] * block)]


def space_to_depth(x: Shape, *, block: int, **_: Any) -> list[Shape]:
    if len(x) != 4 or x[2] % block or x[3] % block:
        raise OctetError(f"space_to_depth: {list(x)} does not divide by a block of {block}")
    return [(x[0], x[1] * block**2, x[2] // block, x[3] // block)]


# --- run-time quantization ------------------------------------------------------------------


def dynamic_quantize(x: Shape, **_: Any) -> list[Shape]:
    return [x, (), ()]
