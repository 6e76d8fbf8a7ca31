"""The pass-ordering lab: in which order should passes run, does it matter, and why.

    from compiler.lab import Lab, SubjectRequest

    lab = Lab(SubjectRequest(Path("model.onnx"), "inputs.npz"))
    for outcome in lab.evaluate(lab.space().orders()):
        print(outcome.pipeline, outcome.status, outcome.metrics)

`octet-lab` is its command line; docs/pass-ordering.md has the method.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compiler.lab.audit import audit
    from compiler.lab.contracts import Contract, contract_of
    from compiler.lab.hashing import ir_hash, output_hash
    from compiler.lab.lab import Lab, Outcome
    from compiler.lab.metrics import METRICS, Metric
    from compiler.lab.record import Record, read_record
    from compiler.lab.search import SEARCHES, Search
    from compiler.lab.space import Item, Space
    from compiler.lab.subject import Subject, SubjectRequest

_HOMES = {
    "audit": ("audit",),
    "contracts": ("Contract", "contract_of"),
    "hashing": ("ir_hash", "output_hash"),
    "lab": ("Lab", "Outcome"),
    "metrics": ("METRICS", "Metric"),
    "record": ("Record", "read_record"),
    "search": ("SEARCHES", "Search"),
    "space": ("Item", "Space"),
    "subject": ("Subject", "SubjectRequest"),
}

__all__ = [
    "METRICS",
    "SEARCHES",
    "Contract",
    "Item",
    "Lab",
    "Metric",
    "Outcome",
    "Record",
    "Search",
    "Space",
    "Subject",
    "SubjectRequest",
    "audit",
    "contract_of",
    "ir_hash",
    "output_hash",
    "read_record",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"compiler.lab.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
