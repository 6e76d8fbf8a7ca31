"""Reading `.npy` and `.npz` files: plain arrays only, nothing that runs code."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from dialects.errors import OctetError


def load_arrays(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array of a `.npy` file, or those of a `.npz` by name. Raises OctetError naming it."""
    try:
        # numpy leaves a damaged file open when it opens it itself.
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else dict(loaded)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = "it holds Python objects" if "pickle" in str(error) else str(error)
        raise OctetError(
            f"{path}: not a readable .npz or .npy file of plain arrays: {reason}"
        ) from None
