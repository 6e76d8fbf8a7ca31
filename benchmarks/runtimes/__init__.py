"""The runtimes that are compared, and the ways each can run a model.

A runtime is a module of this package with `PACKAGES`, what must be installed for it, and
`variants(model)`. Modules import their runtime only where they use it: the list of variants is
known without it.
"""

from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType

from models import Model

from runtimes import octet_, onnxruntime_, openvino_, torch_
from runtimes.variant import Variant

RUNTIMES: dict[str, ModuleType] = {
    "octet": octet_,
    "onnxruntime": onnxruntime_,
    "openvino": openvino_,
    "torch": torch_,
}
"""The runtimes by name; Octet is what the others are compared with."""

PRECISIONS = ("int8", "bf16", "f32")


def missing_packages(runtime: str) -> list[str]:
    """What must be installed before this runtime can be measured."""
    return [name for name in RUNTIMES[runtime].PACKAGES if find_spec(name) is None]


def variants_of(model: Model) -> dict[str, Variant]:
    """All variants that can run the model, installed or not, by name."""
    found = (v for module in RUNTIMES.values() for v in module.variants(model))
    return {variant.name: variant for variant in found}
