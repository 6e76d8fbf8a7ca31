"""Rounds weights together: the integers of an output channel that keep its sums, not its weights.

For one output channel with real weights u, in steps of its scale, the error that integers q cause
on data of second moments H is (q - u) H (q - u)^T. Rounding each weight to the nearest integer
ignores what stands beside the diagonal of H; here the error of one weight is made up for by the
weights whose inputs it is correlated with.

All arrays have a leading dimension of groups G, which do not share inputs: H is [G, K, K], weights
are [G, O, K], with K inputs and O output channels per group, all float64.
"""

from __future__ import annotations

import numpy as np

BLOCK = 64
"""Columns whose updates of the others are put off and done as one product (GPTQ, section 3.3)."""

SWEEPS = 16
"""Descent ends after so many rounds; few channels still change after the third."""


def damped(moments: np.ndarray, damping: float) -> np.ndarray:
    """`moments` [G, K, K] plus `damping` times the mean of their diagonals, on the diagonal.

    Unused inputs, all zero, are weighed by that alone; a group without any gets the identity.
    """
    size = moments.shape[-1]
    diagonal = np.einsum("gkk->gk", moments)
    added = damping * diagonal.mean(axis=1)
    added = np.where(added > 0.0, added, 1.0)
    return moments + added[:, None, None] * np.eye(size)


def round_together(
    target: np.ndarray, hessian: np.ndarray, low: int, high: int
) -> np.ndarray:
    """Integers q in low..high with a small (q - target) H (q - target)^T for each row.

    - target: [G, O, K] real numbers, in steps.
    - hessian: [G, K, K], symmetric and positive definite.

    First the columns are rounded one by one, those of the greatest moment first, each to what is
    nearest given those before it: GPTQ (Frantar et al., "GPTQ: accurate post-training quantization
    for generative pre-trained transformers", 2022), in the form of Babai's nearest plane, which
    gives the same numbers from a Cholesky factor of H and needs no inverse (Chen et al., "The
    geometry of LLM quantization", 2025). Then each is moved to its best value given all others
    until none moves (Behdin et al., "QuantEase", 2023). Where nearest rounding and the same descent
    end lower, that is taken; no row is worse than nearest rounding.
    """
    nearest = np.clip(np.rint(target), low, high)
    from_nearest = descend(nearest, target, hessian, low, high)
    from_plane = descend(nearest_plane(target, hessian, low, high), target, hessian, low, high)
    better = errors(from_plane, target, hessian) < errors(from_nearest, target, hessian)
    return np.where(better[..., None], from_plane, from_nearest)


def errors(rounded: np.ndarray, target: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """(q - u) H (q - u)^T for each row, [G, O]."""
    difference = rounded - target
    return np.einsum("gok,gok->go", difference @ hessian, difference)


def nearest_plane(target: np.ndarray, hessian: np.ndarray, low: int, high: int) -> np.ndarray:
    """Babai's nearest plane with clipping.

    With H = L L^T the error is the squared length of (q - u) L, whose element k depends on the
    columns from k on. Columns are taken from last to first; each sets its element as near to 0 as
    an integer can.
    """
    order = np.argsort(np.einsum("gkk->gk", hessian), axis=1, kind="stable")
    by_rows, by_columns = order[:, :, None], order[:, None, :]
    permuted = np.take_along_axis(np.take_along_axis(hessian, by_rows, 1), by_columns, 2)
    u = np.take_along_axis(target, by_columns, 2)
    factor = np.linalg.cholesky(permuted)
    diagonal = np.einsum("gkk->gk", factor)
    difference = np.zeros_like(u)
    for start in reversed(range(0, u.shape[2], BLOCK)):
        end = min(start + BLOCK, u.shape[2])
        carried = difference[:, :, end:] @ factor[:, end:, start:end]
        for k in reversed(range(start, end)):
            shift = carried[:, :, k - start] / diagonal[:, None, k]
            column = np.clip(np.rint(u[:, :, k] - shift), low, high)
            difference[:, :, k] = column - u[:, :, k]
            carried += difference[:, :, k, None] * factor[:, None, k, start:end]
    rounded = np.empty_like(u)
    np.put_along_axis(rounded, np.broadcast_to(by_columns, u.shape), np.rint(u + difference), 2)
    return rounded


def descend(
    start: np.ndarray, target: np.ndarray, hessian: np.ndarray, low: int, high: int
) -> np.ndarray:
    """Coordinate descent from integers `start`: every move lowers the error of its row."""
    rounded = start.copy()
    diagonal = np.einsum("gkk->gk", hessian)
    size = target.shape[2]
    for _ in range(SWEEPS):
        # Anew in each sweep, so that roundings of updates do not add up.
        slope = (rounded - target) @ hessian
        moved = False
        for first in range(0, size, BLOCK):
            end = min(first + BLOCK, size)
            moves = np.zeros((*rounded.shape[:2], end - first))
            for k in range(first, end):
                best = np.rint(rounded[:, :, k] - slope[:, :, k] / diagonal[:, None, k])
                move = np.clip(best, low, high) - rounded[:, :, k]
                # Half a step to either side is as good; only what is better by more than rounding
                # is taken.
                gain = move * (2.0 * slope[:, :, k] + move * diagonal[:, None, k])
                move = np.where(gain < -1e-9 * diagonal[:, None, k], move, 0.0)
                moves[:, :, k - first] = move
                slope[:, :, first:end] += move[..., None] * hessian[:, None, k, first:end]
            if moves.any():
                moved = True
                rounded[:, :, first:end] += moves
                slope[:, :, end:] += moves @ hessian[:, first:end, end:]
        if not moved:
            break
    return rounded
