"""Names of values in table files and reports: those of the model's inputs and layers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from dialects.elements import is_float
from dialects.nn.base import element_of_value
from dialects.nn.constant import ConstantOp
from dialects.program import body_of, input_names, main_function, nn_ops

INPUT, LAYER = "input", "layer"

Key = tuple[str, str]
"""`input` or `layer`, and the name."""


@dataclass(frozen=True)
class Keys:
    """The float values of a program by key, both ways, in program order."""

    values: dict[Key, SSAValue]
    keys: dict[SSAValue, Key]

    def of(self, value: SSAValue) -> Key:
        return self.keys[value]


def keys_of(module: ModuleOp) -> Keys:
    """An input has its name, a result that of its op's layer.

    A second op of a layer's name is `name#2`, a result beside the first `name:1`.
    """
    keys: dict[SSAValue, Key] = {}
    function = main_function(module)
    for name, argument in zip(input_names(function), body_of(function).args, strict=True):
        keys[argument] = INPUT, name
    seen = Counter[str]()
    taken = {op.source_name for op in nn_ops(module) if not isinstance(op, ConstantOp)}
    for op in nn_ops(module):
        if isinstance(op, ConstantOp):
            continue
        name = op.source_name
        seen[name] += 1
        if seen[name] > 1:
            name = _free(f"{name}#{seen[name]}", taken)
        for index, result in enumerate(op.results):
            keys[result] = LAYER, name if index == 0 else _free(f"{name}:{index}", taken)
    floats = {value: key for value, key in keys.items() if is_float(element_of_value(value))}
    return Keys({key: value for value, key in floats.items()}, floats)


def _free(name: str, taken: set[str]) -> str:
    """`name`, with quotes after it where a layer is called so."""
    while name in taken:
        name += "'"
    taken.add(name)
    return name
