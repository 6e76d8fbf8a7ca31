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
    from compiler.lab.audit import run_audit
    from compiler.lab.contracts import Contract, Fact, contract_of
    from compiler.lab.experiments.pairs import run_pairs
    from compiler.lab.experiments.search import run_search
    from compiler.lab.hashing import ir_hash, output_hash
    from compiler.lab.lab import Lab, Outcome
    from compiler.lab.metrics import METRICS, Metric
    from compiler.lab.record import Record, read_record
    from compiler.lab.search import SEARCHES, Objective, Search, search_named
    from compiler.lab.space import Item, Space
    from compiler.lab.subject import Subject, SubjectRequest

_HOMES = {
    "audit": ("run_audit",),
    "contracts": ("Contract", "Fact", "contract_of"),
    "experiments.pairs": ("run_pairs",),
    "experiments.search": ("run_search",),
    "hashing": ("ir_hash", "output_hash"),
    "lab": ("Lab", "Outcome"),
    "metrics": ("METRICS", "Metric"),
    "record": ("Record", "read_record"),
    "search": ("SEARCHES", "Objective", "Search", "search_named"),
    "space": ("Item", "Space"),
    "subject": ("Subject", "SubjectRequest"),
}

__all__ = [
    "METRICS",
    "SEARCHES",
    "Contract",
    "Fact",
    "Item",
    "Lab",
    "Metric",
    "Objective",
    "Outcome",
    "Record",
    "Search",
    "Space",
    "Subject",
    "SubjectRequest",
    "contract_of",
    "ir_hash",
    "output_hash",
    "read_record",
    "run_audit",
    "run_pairs",
    "run_search",
    "search_named",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"compiler.lab.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
