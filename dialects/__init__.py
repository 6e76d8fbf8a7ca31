"""Octet's IR dialects on xDSL: `quant`, `nn` and `kernel`. Knows nothing but xDSL and numpy."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.ir import Dialect


def get_all_dialects() -> dict[str, Callable[[], Dialect]]:
    """Octet's dialects by name, each imported on first use."""

    def quant() -> Dialect:
        from dialects.quant import Quant

        return Quant

    def nn() -> Dialect:
        from dialects.nn import Nn

        return Nn

    def kernel() -> Dialect:
        from dialects.kernel import Kernel

        return Kernel

    return {"kernel": kernel, "nn": nn, "quant": quant}
