"""Any unary float op between 8-bit tensors: a table of 256 entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..quantization import QuantParams, dequantize, lookup, requantize_table


def by_table(
    function: Callable[..., np.ndarray],
    x: np.ndarray,
    *,
    x_params: QuantParams,
    result_params: QuantParams | None,
    **attributes: Any,
) -> np.ndarray:
    """A unary float op on stored integers: the 256-entry table of `requantize_table`.

    With a float result (no `result_params`) it is the float op on the dequantized values.
    """
    if result_params is None:
        return function(dequantize(x, x_params), **attributes)
    table = requantize_table(x_params, result_params, lambda real: function(real, **attributes))
    return lookup(x, table=table)
