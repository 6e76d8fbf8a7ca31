"""What a program was required to compute in: the module attribute `octet.required`.

    builtin.module attributes {octet.required = [["int8", "name:stem", array<i64: 3>]]}

Each entry is a precision, the selector as the user wrote it, and the ops it selected, by their
numbers in the placed program (`dialects.origin`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, ModuleOp, StringAttr, i64

from dialects.errors import OctetError
from dialects.nn.attributes import Precision

REQUIRED = "octet.required"


@dataclass(frozen=True)
class Requirement:
    """These ops have to end at `precision`."""

    precision: Precision
    selector: str
    indices: tuple[int, ...]


def requirements_of(module: ModuleOp) -> list[Requirement]:
    """The requirements a module records. Raises OctetError for one that cannot be read."""
    attribute = module.attributes.get(REQUIRED)
    if attribute is None:
        return []
    entries = attribute.data if isinstance(attribute, ArrayAttr) else (attribute,)
    return [_requirement(entry) for entry in entries]


def _requirement(entry: object) -> Requirement:
    match entry:
        case ArrayAttr(data=(StringAttr() as precision, StringAttr() as selector, indices)) if (
            isinstance(indices, DenseArrayBase)
            and indices.elt_type == i64
            and precision.data in list(Precision)
        ):
            numbers = tuple(int(index) for index in indices.get_values())
            return Requirement(Precision(precision.data), selector.data, numbers)
        case _:
            raise OctetError(
                f"{REQUIRED}: an entry is a precision, a selector and the numbers of ops, as in "
                f'["int8", "name:stem", array<i64: 3>]; got {entry}'
            )


def set_requirements(module: ModuleOp, requirements: Sequence[Requirement]) -> None:
    """Records `requirements` in place of earlier ones; no attribute for none."""
    module.attributes.pop(REQUIRED, None)
    if requirements:
        module.attributes[REQUIRED] = ArrayAttr(
            [
                ArrayAttr(
                    [
                        StringAttr(requirement.precision.value),
                        StringAttr(requirement.selector),
                        DenseArrayBase.from_list(i64, list(requirement.indices)),
                    ]
                )
                for requirement in requirements
            ]
        )
