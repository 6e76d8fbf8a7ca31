"""From the body of a loop op to the Python source of one kernel.

    kernel.map       for every row of the nest: one loop over its elements
    kernel.reduce    for every row: one loop per *pass*. A pass ends where a fold does; the next
                     one knows its result. Values that several passes need are computed again, or,
                     when that is long, kept in a float32 result until its last pass.

The text depends on the *structure* only: the region, the stored types and how each buffer advances
along the inner loop. Sizes, addresses, strides, scales and scalars are arguments, so that a text
is compiled once, whatever models and shapes it serves.

Everything in the text comes from the tables of this module and from numbers: an op without an
entry in `EXPRESSIONS` is an error, and no name or string of a program is ever copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import FloatAttr, f32
from xdsl.ir import BlockArgument, Operation, SSAValue

from dialects.cost import instructions_of
from dialects.elements import dtype_of
from dialects.kernel.loops import COMPARISONS, FoldOp, LengthOp, LoopOp, row_values
from runtime.kernels.half import STORED
from runtime.kernels.strided import parameters_at

Advance = Literal["contiguous", "uniform", "strided"]
"""How a buffer advances along the inner loop: by one element, not at all, by any stride."""

TILE = 256
"""Elements of a row whose terms are computed before they are folded: 1 KB of the first cache."""


@dataclass(frozen=True)
class Buffer:
    """What the text knows of an operand or result."""

    dtype: str
    """numpy's name of the stored type."""
    quantized: bool
    advance: Advance
    by_reciprocal: bool = False
    """Whether a quantized result is divided by its scale by multiplications."""


EXPRESSIONS: Mapping[type[Operation], str] = {
    arith.AddfOp: "{0} + {1}",
    arith.SubfOp: "{0} - {1}",
    arith.MulfOp: "{0} * {1}",
    arith.DivfOp: "{0} / {1}",
    arith.NegfOp: "-{0}",
    arith.MaximumfOp: "maximum({0}, {1})",
    arith.MinimumfOp: "minimum({0}, {1})",
    arith.SelectOp: "select({0}, {1}, {2})",
    arith.TruncFOp: "narrow_{half}({0})",
    arith.ExtFOp: "widen_{half}({0})",
    math.AbsFOp: "abs({0})",
    math.CeilOp: "ceil({0})",
    math.ErfOp: "erf({0})",
    math.ExpOp: "exp({0})",
    math.ExpM1Op: "expm1({0})",
    math.FloorOp: "floor({0})",
    math.LogOp: "log({0})",
    math.RoundEvenOp: "rint({0})",
    math.SqrtOp: "sqrt({0})",
    math.TanhOp: "tanh({0})",
}
_COMPARE = {"oeq": "==", "ogt": ">", "oge": ">=", "olt": "<", "ole": "<="}

_KEEP = 12
"""A value that takes fewer instructions is computed again rather than kept."""


@dataclass
class _Writer:
    """Lines of Python with their indentation."""

    lines: list[str] = field(default_factory=list)
    depth: int = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"


def loop_source(op: LoopOp, buffers: Sequence[Buffer]) -> str:
    """The source of `kernel(row, thread, threads)` for a loop op.

    `buffers` describes its operands, then its results. The same structure gives the same text.
    """
    key = (_structure(op), tuple(buffers))
    text = _texts.pop(key, None)
    if text is None:
        text = _Generator(op, tuple(buffers)).generate()
        while len(_texts) >= MAX_TEXTS:
            del _texts[next(iter(_texts))]
    _texts[key] = text
    return text


MAX_TEXTS = 1024
"""Texts kept: a program planned for another length, or another model, has the same loops."""

_texts: dict[object, str] = {}


def _structure(op: LoopOp) -> object:
    """All of a loop op that its text depends on, beside its buffers."""
    arguments = op.block.args
    numbers: dict[SSAValue, int] = {value: number for number, value in enumerate(arguments)}
    inner: list[object] = []
    for each in op.block.ops:
        operands = tuple(numbers[value] for value in each.operands)
        types = tuple(result.type for result in each.results)
        properties = frozenset((*each.properties.items(), *each.attributes.items()))
        inner.append((each.name, operands, types, properties))
        for result in each.results:
            numbers[result] = len(numbers)
    types = tuple(argument.type for argument in arguments)
    return op.name, len(op.inputs), op.row_axis is None, len(op.scalar_values), types, tuple(inner)


@dataclass
class _Generator:
    op: LoopOp
    buffers: tuple[Buffer, ...]
    out: _Writer = field(default_factory=_Writer)
    names: dict[SSAValue, str] = field(default_factory=dict)
    kept: dict[SSAValue, int] = field(default_factory=dict)
    """Values kept in a result, by the result's number."""

    def __post_init__(self) -> None:
        self.inputs = len(self.op.inputs)
        self.uniform = self._uniform_values()
        self.stages = self._stages()
        for number, argument in enumerate(self.op.block.args[: self.inputs]):
            self.names[argument] = f"x{number}"
        for number, argument in enumerate(self.op.block.args[self.inputs :]):
            self.names[argument] = f"s{number}"
        for number, value in enumerate(r for inner in self.op.ops() for r in inner.results):
            self.names[value] = f"v{number}"

    # --- analysis ---------------------------------------------------------------------------

    def _uniform_values(self) -> set[SSAValue]:
        """Values that do not change along the inner loop."""
        uniform = row_values(self.op)
        for argument, buffer in zip(self.op.block.args, self.buffers, strict=False):
            if argument.index < self.inputs and buffer.advance == "uniform":
                uniform.add(argument)
        for inner in self.op.ops():
            if inner.operands and all(value in uniform for value in inner.operands):
                uniform.update(inner.results)
        return uniform

    def _stages(self) -> dict[SSAValue, int]:
        """How many passes must have ended before a value can be computed."""
        stages: dict[SSAValue, int] = dict.fromkeys(self.op.block.args, 0)
        for inner in self.op.ops():
            stage = max((stages[value] for value in inner.operands), default=0)
            for result in inner.results:
                stages[result] = stage + isinstance(inner, FoldOp)
        return stages

    @property
    def folds(self) -> list[FoldOp]:
        return [inner for inner in self.op.ops() if isinstance(inner, FoldOp)]

    def _passes(self) -> int:
        ends = [self.stages[fold.value] for fold in self.folds]
        ends += [self.stages[value] for _, value in self._element_results()]
        return max(ends, default=-1) + 1

    def _element_results(self) -> list[tuple[int, SSAValue]]:
        """(number, value) of the results with a value per element."""
        if self.op.row_axis is None:
            return list(enumerate(self.op.yielded))
        rows = row_values(self.op)
        return [(i, value) for i, value in enumerate(self.op.yielded) if value not in rows]

    def _targets(self, index: int) -> list[SSAValue]:
        """The values that pass `index` is for."""
        folded = [fold.value for fold in self.folds if self.stages[fold.value] == index]
        stored = [value for _, value in self._element_results() if self.stages[value] == index]
        return [*folded, *stored]

    def _slice(self, targets: Iterable[SSAValue], known: Iterable[SSAValue]) -> list[SSAValue]:
        """The values per element that `targets` need, operands first, down to `known` ones."""
        needed: set[SSAValue] = set()
        stop = set(known)
        pending = [value for value in targets if value not in self.uniform]
        while pending:
            value = pending.pop()
            if value in needed:
                continue
            needed.add(value)
            if isinstance(value, BlockArgument) or value in stop:
                continue
            pending += [v for v in _op_of(value).operands if v not in self.uniform]
        order = [*self.op.block.args, *(r for inner in self.op.ops() for r in inner.results)]
        return [value for value in order if value in needed]

    def _cost(self, value: SSAValue) -> int:
        """Instructions to compute a value anew."""
        found = self._slice([value], ())
        return sum(1 if isinstance(v, BlockArgument) else instructions_of(_op_of(v)) for v in found)

    def _choose_kept(self) -> None:
        """Gives values that several passes need, and that are long to compute, a place.

        That is the float32 result they are, or one that is stored in a later pass than the last
        that needs them.
        """
        slices = [self._slice(self._targets(p), ()) for p in range(self._passes())]
        free = {
            number: self.stages[value]
            for number, value in self._element_results()
            if self._is_plain(number)
        }
        own = {value: number for number, value in self._element_results() if number in free}
        used = {v: [p for p, values in enumerate(slices) if v in values] for v in self.stages}
        values = [v for v in used if len(used[v]) > 1 and v.type == f32 and self._cost(v) >= _KEEP]
        for value in sorted(values, key=self._cost, reverse=True):
            if any(value in self._slice([other], ()) for other in self.kept):
                continue  # only needed for one that is kept
            last = used[value][-1]
            homes = [number for number, stage in free.items() if stage >= last]
            number = own.get(value, homes[0] if homes else None)
            if number is not None and number not in self.kept.values():
                self.kept[value] = number

    def _is_plain(self, number: int) -> bool:
        buffer = self.buffers[self.inputs + number]
        return buffer.dtype == "float32" and buffer.advance == "contiguous"

    # --- text -------------------------------------------------------------------------------

    def generate(self) -> str:
        out = self.out
        out.line("def kernel(row, thread, threads):")
        out.depth += 1
        self._prologue()
        out.line("while index < end:")
        out.depth += 1
        out.line("rows = rows_left(row, index, end)")
        for number in range(len(self.buffers)):
            out.line(f"at{number} = row_address(row, {number}, index){self._start_of(number)}")
        out.line("for _ in range(rows):")
        out.depth += 1
        for number, buffer in enumerate(self.buffers):
            stored = STORED.get(buffer.dtype, buffer.dtype)
            out.line(f"p{number} = {stored}_pointer(at{number})")
        if self.op.row_axis is None:
            self._uniform(0)
            self._pass(0)
        else:
            self._rows()
        for number in range(len(self.buffers)):
            out.line(f"at{number} += middle_stride(row, {number})")
        out.depth -= 1
        out.line("index += rows")
        return str(out)

    def _start_of(self, number: int) -> str:
        """The thread's own part of a split inner axis; rows of a reduction are walked by it."""
        dtype = self.buffers[number].dtype
        size = np.dtype(STORED.get(dtype, dtype)).itemsize
        if self.op.row_axis is None and self.buffers[number].advance == "uniform":
            return ""
        scaled = "" if size == 1 else f" * {size}"
        return f" + begin * inner_stride(row, {number}){scaled}"

    def _prologue(self) -> None:
        out, word = self.out, parameters_at(len(self.buffers))
        out.line("use_wide_vectors()")
        out.line("begin, n = inner_part(row, thread, threads)")
        out.line("index, end = row_part(row, thread, threads)")
        if self.op.row_axis is not None:
            out.line(f"size = argument(row, {word})")
            word += 1
        for number, buffer in enumerate(self.buffers):
            if self.op.row_axis is not None or buffer.advance == "strided":
                out.line(f"d{number} = inner_stride(row, {number})")
        for number in range(len(self.op.scalar_values)):
            out.line(f"s{number} = f32_argument(row, {word})")
            word += 1
        for number, buffer in enumerate(self.buffers):
            if not buffer.quantized:
                continue
            out.line(f"scale{number} = f32_argument(row, {word})")
            out.line(f"zero{number} = int32(argument(row, {word + 1}))")
            word += 2
            if number >= self.inputs:
                out.line(f"low{number} = f32_argument(row, {word})")
                out.line(f"high{number} = f32_argument(row, {word + 1})")
                word += 2
            if buffer.by_reciprocal:
                out.line(f"reciprocal{number} = f32_argument(row, {word})")
                word += 1
        for fold in range(len(self.folds)):
            out.line(f"tile{fold}, lanes{fold} = new_tile(), new_lanes()")
        for inner in self.op.ops():
            if isinstance(inner, arith.ConstantOp):
                value = float(np.float32(cast(FloatAttr, inner.value).value.data))
                out.line(f"{self.names[inner.result]} = float32({value!r})")
            elif isinstance(inner, LengthOp):
                out.line(f"{self.names[inner.result]} = float32(size)")
        out.line("if n == 0:")
        out.line("    return")

    def _rows(self) -> None:
        out = self.out
        out.line("for _ in range(n):")
        out.depth += 1
        for index in range(self._passes()):
            if index == 0:
                self._choose_kept()
            self._uniform(index)
            self._pass(index)
        self._uniform(self._passes())
        element_results = dict(self._element_results())
        for number, value in enumerate(self.op.yielded):
            if number not in element_results:
                self._store(self.inputs + number, number, "0", self.names[value])
        for number in range(len(self.buffers)):
            out.line(f"p{number} = advance(p{number}, d{number})")
        out.depth -= 1

    def _uniform(self, stage: int) -> None:
        """What is known once `stage` passes have ended, and the same all along the inner loop."""
        for argument in self.op.block.args[: self.inputs]:
            if stage == 0 and argument in self.uniform:
                self._load(argument, "0")
        for inner in self.op.ops():
            if isinstance(inner, FoldOp | LengthOp | arith.ConstantOp):
                continue
            for result in inner.results:
                if result in self.uniform and self.stages[result] == stage:
                    self._compute(result)

    def _pass(self, index: int) -> None:
        """One loop over the elements of a row: the terms of its folds, the results it stores."""
        known = [value for value in self.kept if self.stages[value] < index]
        values = self._slice(self._targets(index), known)
        folds = [(i, f) for i, f in enumerate(self.folds) if self.stages[f.value] == index]
        out = self.out
        if not folds:
            limit = "n" if self.op.row_axis is None else "size"
            out.line(f"for i in range({limit}):")
            out.depth += 1
            self._elements(index, values, known)
            out.depth -= 1
            return
        for number, fold in folds:
            out.line(f"start_{fold.kind.data}(lanes{number})")
        out.line(f"for first in range(0, size, {TILE}):")
        out.depth += 1
        out.line(f"count = min({TILE}, size - first)")
        out.line("for j in range(count):")
        out.depth += 1
        out.line("i = first + j")
        self._elements(index, values, known)
        for number, fold in folds:
            out.line(f"tile{number}[j] = {self.names[fold.value]}")
        out.depth -= 1
        for number, fold in folds:
            out.line(f"fold_{fold.kind.data}(tile{number}, 1, count, lanes{number}, nothing)")
        out.depth -= 1
        for number, fold in folds:
            out.line(f"{self.names[fold.result]} = finish_{fold.kind.data}(lanes{number})")

    def _elements(self, index: int, values: Sequence[SSAValue], known: Sequence[SSAValue]) -> None:
        """The statements for one element of pass `index`."""
        results = [(n, v) for n, v in self._element_results() if self.stages[v] == index]
        for value in values:
            if value in known:
                number = self.kept[value]
                place = f"again{number}(p{self.inputs + number}, i)"
                self.out.line(f"{self.names[value]} = {place}")
            elif isinstance(value, BlockArgument):
                self._load(value, "i")
            else:
                self._compute(value)
            if value in self.kept and value not in known and self.stages[value] == index:
                number = self.kept[value]
                if (number, value) not in results:
                    self._store(self.inputs + number, number, "i", self.names[value])
        for number, value in results:
            self._store(self.inputs + number, number, "i", self.names[value])

    def _load(self, argument: BlockArgument, index: str) -> None:
        number = argument.index
        buffer = self.buffers[number]
        at = f"{index} * d{number}" if index != "0" and buffer.advance == "strided" else index
        text = f"load(p{number}, {at})"
        if buffer.quantized:
            text = f"float32(int32(int32({text}) - zero{number})) * scale{number}"
        elif buffer.dtype in STORED:
            text = f"widen_{buffer.dtype}({text})"
        elif buffer.dtype == "bool":
            text = f"{text} != 0"
        self.out.line(f"x{number} = {text}")

    def _store(self, number: int, result: int, index: str, value: str) -> None:
        buffer = self.buffers[number]
        at = f"{index} * d{number}" if index != "0" and buffer.advance == "strided" else index
        if buffer.quantized:
            name, scale = "quantized", f"scale{number}"
            if buffer.by_reciprocal:
                name, scale = "quantized_by_reciprocal", f"scale{number}, reciprocal{number}"
            value = f"{name}({value}, {scale}, low{number}, high{number}, zero{number})"
        elif buffer.dtype in STORED:
            value = f"narrow_{buffer.dtype}({value})"
        self.out.line(f"store{result}(p{number}, {at}, {value})")

    def _compute(self, value: SSAValue) -> None:
        inner = _op_of(value)
        operands = [self.names[operand] for operand in inner.operands]
        if isinstance(inner, arith.CmpfOp):
            text = f"{{0}} {_COMPARE[COMPARISONS[inner.predicate.value.data]]} {{1}}"
        else:
            text = EXPRESSIONS[type(inner)]
        half = _half_of(inner) if isinstance(inner, arith.TruncFOp | arith.ExtFOp) else ""
        self.out.line(f"{self.names[value]} = {text.format(*operands, half=half)}")


def _op_of(value: SSAValue) -> Operation:
    """The op of a body that gives a value."""
    return cast(Operation, value.owner)


def _half_of(op: arith.TruncFOp | arith.ExtFOp) -> str:
    """numpy's name of the 16-bit type that an op rounds to or comes from."""
    value = op.result if isinstance(op, arith.TruncFOp) else op.input
    return dtype_of(value.type).name
