"""Rounds weights together: the integers of an output channel that keep its sums, not its weights.

For one output channel with real weights u, in steps of its scale, the error that integers q cause
on data of second moments H is (q - u)^T H (q - u). Rounding each weight to the nearest integer
ignores what stands beside the diagonal of H; here the error of one weight is made up for by the
weights whose inputs it is correlated with.

All arrays have a leading dimension of groups G, which do not share inputs: H is [G, K, K], weights
are [G, K, O], with K inputs and O output channels per group, all float64. What is done to the
weights of one input is done to all channels at once, on elements that lie side by side.
"""

from __future__ import annotations

import numpy as np

from passes.quantize.correction.moments import Folds, Moments

BLOCK = 64
"""Inputs whose effect on the others is put off and added as one product (GPTQ, section 3.3)."""

REFIT_DAMPINGS = (1.0, 0.1, 0.01)
"""What `refitted` chooses from."""


def damped(moments: np.ndarray, damping: float) -> np.ndarray:
    """`moments` [G, K, K] with `damping` times the mean of their diagonals added to the diagonal.

    Inputs that are always zero are weighed by that alone; a group of such has the identity added.
    """
    added = damping * np.einsum("gkk->gk", moments).mean(axis=1)
    added = np.where(added > 0.0, added, 1.0)
    return moments + added[:, None, None] * np.eye(moments.shape[-1])


def refitted(weight: np.ndarray, folds: Folds) -> np.ndarray:
    """Real weights that come nearest to the wanted results on inputs that are quantized.

    Least squares, drawn towards `weight` [G, K, O] (ridge regression): sums of weights that the
    data cannot tell apart stay. How strongly is chosen by cross-validation: by what serves each of
    two halves of the data when fitted on the other. If nothing serves both, `weight` it is.
    """

    def moved(moments: Moments, damping: float) -> np.ndarray:
        return np.linalg.solve(damped(moments.xx, damping), missing(weight, moments))

    def held_out(damping: float) -> float:
        first, second = folds
        return sum(
            float(excess(moved(fitted, damping), missing(weight, other), other.xx).sum())
            for fitted, other in ((first, second), (second, first))
        )

    gain, best = min((held_out(damping), damping) for damping in REFIT_DAMPINGS)
    return weight + moved(folds[0] + folds[1], best) if gain < 0.0 else weight


def missing(weight: np.ndarray, moments: Moments) -> np.ndarray:
    """Moments [G, K, O] of the inputs with what the sums of `weight` lack of the wanted results."""
    return moments.tx.swapaxes(1, 2) - moments.xx @ weight


def excess(change: np.ndarray, missing: np.ndarray, xx: np.ndarray) -> np.ndarray:
    """By how much a change of weights changes the squared error of each channel, [G, O]."""
    return np.sum((xx @ change - 2.0 * missing) * change, axis=1)


def nearest_plane(target: np.ndarray, hessian: np.ndarray, low: int, high: int) -> np.ndarray:
    """Integers q in low..high with a small (q - target)^T H (q - target) for each channel.

    - target: [G, K, O] real numbers, in steps.
    - hessian: [G, K, K], symmetric and positive definite.

    Inputs are taken one by one, those of the greatest moment first; each weight is rounded to what
    is best given those before it: GPTQ (Frantar et al., "GPTQ: accurate post-training quantization
    for generative pre-trained transformers", 2022), in the form of Babai's nearest plane, which
    gives the same numbers from a Cholesky factor of H and needs no inverse (Chen et al., "The
    geometry of LLM quantization: GPTQ as Babai's nearest plane algorithm", 2025).

    With H = L L^T the error is the squared length of L^T (q - u), whose element k depends on the
    inputs from k on. They are taken from last to first; each sets its element as near to 0 as an
    integer can.
    """
    order = np.argsort(np.einsum("gkk->gk", hessian), axis=1, kind="stable")
    by_row, by_column = order[:, :, None], order[:, None, :]
    sorted_hessian = np.take_along_axis(np.take_along_axis(hessian, by_row, 1), by_column, 2)
    u = np.take_along_axis(target, by_row, 1)
    factor = np.linalg.cholesky(sorted_hessian)
    diagonal = np.einsum("gkk->gk", factor)
    rounded, difference = np.empty_like(u), np.zeros_like(u)
    for start in reversed(range(0, u.shape[1], BLOCK)):
        end = min(start + BLOCK, u.shape[1])
        carried = factor[:, end:, start:end].swapaxes(1, 2) @ difference[:, end:]
        for k in reversed(range(start, end)):
            shift = carried[:, k - start] / diagonal[:, k, None]
            rounded[:, k] = np.clip(np.rint(u[:, k] - shift), low, high)
            difference[:, k] = rounded[:, k] - u[:, k]
            before = carried[:, : k - start]
            before += factor[:, k, start:k, None] * difference[:, k, None]
    result = np.empty_like(u)
    np.put_along_axis(result, np.broadcast_to(by_row, u.shape), rounded, 1)
    return result
