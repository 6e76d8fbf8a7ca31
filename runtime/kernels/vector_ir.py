"""Writing vector code as LLVM IR: the few verbs that tile generators need.

A generated function takes and returns plain values, has its own register allocation (it is never
inlined) and is called from a numba kernel through an intrinsic made by `generated`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from runtime.kernels.isa import cpu_features
from runtime.translation.hints import NOT_UNROLLED, loop_hint
from runtime.translation.module import vector_code

HalfKind = Literal["bf16", "f16"]
"""Floats of 16 bits: bfloat16 and IEEE binary16."""

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F16, F32 = ir.HalfType(), ir.FloatType()
Vector = ir.VectorType


class _BFloatType(ir.Type):
    """LLVM's `bfloat`, which llvmlite does not have: enough for operands of intrinsics."""

    intrinsic_name = "bf16"

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloatType)

    def __hash__(self) -> int:
        return hash(_BFloatType)


BF16: Any = _BFloatType()


@dataclass(frozen=True)
class Prefix:
    """The first `count` (an int64 value, any sign) lanes of a vector: a mask for `Emitter.store`
    where the CPU has none for small elements."""

    count: Any


class Emitter:
    """An IR builder with the verbs of vector code.  Addresses are int64 values, in bytes."""

    def __init__(self, builder: ir.IRBuilder):
        self.builder = builder

    def call(self, name: str, result: ir.Type, *arguments: Any) -> Any:
        """Calls an LLVM intrinsic or C function, declared on first use."""
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(result, [argument.type for argument in arguments])
            function = ir.Function(module, kind, name)
        return self.builder.call(function, arguments)

    def offset(self, address: Any, more: Any) -> Any:
        """`address + more`; `more` is a number of bytes or an int64 value."""
        if isinstance(more, int):
            if more == 0:
                return address
            more = I64(more)
        return self.builder.add(address, more)

    def pointer(self, address: Any, kind: ir.Type) -> Any:
        return self.builder.inttoptr(address, kind.as_pointer())

    def load(self, address: Any, kind: ir.Type, align: int = 1) -> Any:
        return self.builder.load(self.pointer(address, kind), align=align)

    def store(self, value: Any, address: Any, mask: Any = None) -> None:
        """Stores a vector; with a mask (`<n x i1>` or `Prefix`) only the lanes that are set."""
        if isinstance(mask, Prefix):
            self._store_first(value, address, mask.count)
            return
        pointer = self.pointer(address, value.type)
        if mask is None:
            self.builder.store(value, pointer, align=1)
            return
        element = str(value.type.element).replace("float", "f32")
        name = f"llvm.masked.store.v{value.type.count}{element}.p0"
        self.call(name, ir.VoidType(), value, pointer, I32(1), mask)

    def scratch(self, kind: ir.Type) -> Any:
        """The address of memory on the stack for one value."""
        with self.builder.goto_entry_block():
            place = self.builder.alloca(kind)
            return self.builder.ptrtoint(place, I64)

    def _store_first(self, value: Any, address: Any, count: Any) -> None:
        """Stores the first `count` lanes: as powers of two, largest first."""
        lanes, size = value.type.count, value.type.element.width // 8
        builder = self.builder
        source = self.scratch(value.type)
        self.store(value, source)
        whole = builder.icmp_signed(">=", count, I64(lanes))
        count = builder.select(whole, I64(lanes), count)
        count = builder.select(builder.icmp_signed("<", count, I64(0)), I64(0), count)
        done: Any = I64(0)
        part = 1 << (lanes.bit_length() - 1)
        while part:
            kind = ir.IntType(8 * size * part)
            with builder.if_then(builder.icmp_signed(">=", count, builder.add(done, I64(part)))):
                skip = builder.mul(done, I64(size))
                moved = self.load(builder.add(source, skip), kind)
                self.builder.store(moved, self.pointer(builder.add(address, skip), kind), align=1)
            fits = builder.icmp_signed(">=", count, builder.add(done, I64(part)))
            done = builder.select(fits, builder.add(done, I64(part)), done)
            part //= 2

    def prefetch(self, address: Any) -> None:
        """Asks for the cache line at an address (which need not exist) in the level-2 cache."""
        self.call(
            "llvm.prefetch.p0", ir.VoidType(), self.pointer(address, I8), I32(0), I32(2), I32(1)
        )

    def splat(self, value: Any, lanes: int) -> Any:
        """A vector whose lanes all hold `value`."""
        kind = Vector(value.type, lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(undefined, value, I32(0))
        return self.shuffle(first, undefined, [0] * lanes)

    def shuffle(self, a: Any, b: Any, indices: Sequence[int]) -> Any:
        """Lanes picked from the concatenation of two vectors."""
        order = ir.Constant(Vector(I32, len(indices)), list(indices))
        return self.builder.shuffle_vector(a, b, order)

    def constant(self, element: ir.Type, values: Sequence[int]) -> Any:
        return ir.Constant(Vector(element, len(values)), list(values))

    def widen(self, values: Any, kind: HalfKind) -> Any:
        """16-bit floats, as a vector of their bits, -> float32 (exact)."""
        lanes = values.type.count
        if kind == "f16":
            halves = self.builder.bitcast(values, Vector(F16, lanes))
            return self.builder.fpext(halves, Vector(F32, lanes))
        bits = self.builder.zext(values, Vector(I32, lanes))
        shifted = self.builder.shl(bits, self.constant(I32, [16] * lanes))
        return self.builder.bitcast(shifted, Vector(F32, lanes))

    def load_floats(self, address: Any, lanes: int, half: HalfKind | None) -> Any:
        """float32 from memory that holds float32, or 16-bit floats."""
        if half is None:
            return self.load(address, Vector(F32, lanes))
        return self.widen(self.load(address, Vector(I16, lanes)), half)

    def narrow(self, values: Any, kind: HalfKind) -> Any:
        """float32 -> the bits of 16-bit floats, to nearest even; NaN stays NaN."""
        lanes = values.type.count
        halves = Vector(I16, lanes)
        if kind == "f16":
            narrow = self.builder.fptrunc(values, Vector(F16, lanes))
            return self.builder.bitcast(narrow, halves)
        if lanes == 16 and "+avx512bf16" in cpu_features().split(","):
            name = "llvm.x86.avx512bf16.cvtneps2bf16.512"
            return self.builder.bitcast(self.call(name, Vector(BF16, lanes), values), halves)
        word = Vector(I32, lanes)

        def every(value: int) -> Any:
            return self.constant(I32, [value] * lanes)

        bits = self.builder.bitcast(values, word)
        upper = self.builder.lshr(bits, every(16))
        odd = self.builder.and_(upper, every(1))
        rounded = self.builder.add(self.builder.add(bits, every(0x7FFF)), odd)
        nan = self.builder.fcmp_unordered("uno", values, values)
        quiet = self.builder.or_(bits, every(0x400000))
        chosen = self.builder.select(nan, quiet, rounded)
        return self.builder.trunc(self.builder.lshr(chosen, every(16)), halves)

    def first_lanes(self, count: Any, lanes: int) -> Any:
        """The mask of the first `count` (an int64 value, any sign) of `lanes` lanes."""
        if lanes > 16:  # one shift instead of comparisons
            builder = self.builder
            some = builder.icmp_signed(">", count, I64(0))
            missing = builder.sub(I64(64), count)
            none_missing = builder.icmp_signed("<", missing, I64(0))
            missing = builder.select(none_missing, I64(0), missing)
            bits = builder.lshr(I64(-1), builder.and_(missing, I64(63)))
            bits = builder.select(some, bits, I64(0))
            narrow = bits if lanes == 64 else builder.trunc(bits, ir.IntType(lanes))
            return builder.bitcast(narrow, Vector(I1, lanes))
        limit = self.splat(self.builder.trunc(count, I32), lanes)
        return self.builder.icmp_signed("<", self.constant(I32, range(lanes)), limit)

    def loop(
        self, count: Any, carried: Sequence[Any], body: Callable[[Any, list[Any]], Sequence[Any]]
    ) -> list[Any]:
        """`for i in range(count): carried = body(i, carried)`; returns the last `carried`.

        LLVM does not unroll it: generators write as many steps as they want."""
        builder = self.builder
        before = builder.block
        inside = builder.append_basic_block("loop")
        after = builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed(">", count, I64(0)), inside, after)

        builder.position_at_end(inside)
        index = builder.phi(I64)
        inputs = [builder.phi(value.type) for value in carried]
        outputs = list(body(index, list(inputs)))
        following = builder.add(index, I64(1))
        end = builder.block  # the body may have added blocks
        back = builder.cbranch(builder.icmp_signed("<", following, count), inside, after)
        back.set_metadata("llvm.loop", loop_hint(builder.module, NOT_UNROLLED))
        index.add_incoming(I64(0), before)
        index.add_incoming(following, end)

        builder.position_at_end(after)
        results = []
        for phi, first, output in zip(inputs, carried, outputs, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(output, end)
            result = builder.phi(first.type)
            result.add_incoming(first, before)
            result.add_incoming(output, end)
            results.append(result)
        return results


def generated(name: str, arity: int, emit: Callable[[Emitter, list[Any]], None]) -> Any:
    """A numba-callable function of `arity` int64 arguments whose body `emit` writes.

    `name` must be unique among the functions of one kernel.
    """

    def function_of(module: ir.Module) -> ir.Function:
        function = module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(ir.VoidType(), [I64] * arity)
            function = body = ir.Function(module, kind, name)
            function.attributes.add("nounwind")
            vectors = vector_code(module)
            if vectors is module:
                function.linkage = "internal"
                function.attributes.add("noinline")
            else:
                body = ir.Function(vectors, kind, name)
                body.attributes.add("nounwind")
            emitter = Emitter(ir.IRBuilder(body.append_basic_block("entry")))
            emit(emitter, list(body.args))
            emitter.builder.ret_void()
        return function

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # The kernel hands over one tuple: an intrinsic has a fixed number of parameters.
        values = [builder.extract_value(arguments[0], i) for i in range(arity)]
        builder.call(function_of(builder.module), values)
        return context.get_dummy_value()

    @intrinsic
    def call(typingctx: Any, arguments: Any) -> Any:
        return types.void(types.UniTuple(types.int64, arity)), generate

    return call


class GeneratedFunction:
    """A C function `void f(int64, ...)` that is generated without numba; `Kernel.of` takes it.

    module: whose source text the code depends on.  name: of the function, unique in the module.
    """

    def __init__(
        self, module: str, name: str, arity: int, emit: Callable[[Emitter, list[Any]], None]
    ):
        self.__module__, self.__qualname__ = module, name
        self._arity, self._emit = arity, emit

    def compile(self, machine: llvm.TargetMachine) -> tuple[str, bytes]:
        """(symbol, object file)"""
        module = ir.Module(name="generated")
        module.triple = machine.triple
        kind = ir.FunctionType(ir.VoidType(), [I64] * self._arity)
        function = ir.Function(module, kind, "generated")
        function.attributes.add("nounwind")
        emitter = Emitter(ir.IRBuilder(function.append_basic_block("entry")))
        self._emit(emitter, list(function.args))
        emitter.builder.ret_void()
        parsed = llvm.parse_assembly(str(module))
        parsed.verify()
        return function.name, machine.emit_object(parsed)
