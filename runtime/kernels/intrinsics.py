"""Numba intrinsics for code that works on raw memory.

A kernel gets addresses (int64).  It turns each into a typed pointer ONCE, outside its loops, and
indexes that pointer in elements: `x = f32_pointer(address)`, then `x[i]`.  The pointer is numba's
`CPointer`: no bounds check, no negative-index wrap, no reference count, and LLVM sees a plain
`getelementptr`, so that inner loops vectorize.

Integers: numba widens `int32 * int32` to int64.  Wrap every product and sum in `np.int32(...)`
where the vector width matters.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types

# The decorated functions are called with other arguments than they are written with: untyped.
intrinsic: Any = extending.intrinsic

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_F32 = ir.FloatType()


def declare(module: ir.Module, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
    """The function `name` of an LLVM module, declared on first use."""
    return cgutils.get_or_insert_function(module, ir.FunctionType(result, arguments), name)


def _pointer_intrinsic(element: types.Type) -> Any:
    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        """The int64 `address` as a typed pointer that can be indexed in elements."""
        signature = types.CPointer(element)(types.int64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return signature, generate

    return pointer


u8_pointer = _pointer_intrinsic(types.uint8)
s8_pointer = _pointer_intrinsic(types.int8)
i16_pointer = _pointer_intrinsic(types.int16)
i32_pointer = _pointer_intrinsic(types.int32)
i64_pointer = _pointer_intrinsic(types.int64)
u16_pointer = _pointer_intrinsic(types.uint16)
u32_pointer = _pointer_intrinsic(types.uint32)
u64_pointer = _pointer_intrinsic(types.uint64)
f32_pointer = _pointer_intrinsic(types.float32)
f64_pointer = _pointer_intrinsic(types.float64)

POINTERS: dict[str, Any] = {
    "bool": u8_pointer,
    "uint8": u8_pointer,
    "int8": s8_pointer,
    "int16": i16_pointer,
    "int32": i32_pointer,
    "int64": i64_pointer,
    "uint16": u16_pointer,
    "uint32": u32_pointer,
    "uint64": u64_pointer,
    "float32": f32_pointer,
    "float64": f64_pointer,
}
"""The pointer intrinsic of each numpy dtype name (a bool is a byte that holds 0 or 1)."""


@intrinsic
def argument(typingctx: Any, row: Any, index: Any) -> Any:
    """Word `index` of a call's row: 1 is the first argument, 0 the function's own address."""
    signature = types.int64(types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, index = arguments
        words = builder.inttoptr(row, _I64.as_pointer())
        return builder.load(builder.gep(words, [index]))

    return signature, generate


@intrinsic
def f32_argument(typingctx: Any, row: Any, index: Any) -> Any:
    """Word `index` of a call's row as the float32 whose bit pattern it holds (`abi.f32_bits`)."""
    signature = types.float32(types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, index = arguments
        words = builder.inttoptr(row, _I64.as_pointer())
        bits = builder.trunc(builder.load(builder.gep(words, [index])), _I32)
        return builder.bitcast(bits, _F32)

    return signature, generate


@intrinsic
def rint(typingctx: Any, value: Any) -> Any:
    """float32 rounded to an integer, half to even (one instruction; vectorizes)."""
    signature = types.float32(types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = declare(builder.module, "llvm.rint.f32", _F32, [_F32])
        return builder.call(function, arguments)

    return signature, generate


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """float32 `a * b + c` rounded once (libm's `fmaf` where the CPU has no such instruction)."""
    signature = types.float32(types.float32, types.float32, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = declare(builder.module, "llvm.fma.f32", _F32, [_F32] * 3)
        return builder.call(function, arguments)

    return signature, generate


@intrinsic
def bits_to_f32(typingctx: Any, bits: Any) -> Any:
    """The float32 whose bit pattern is the low 32 bits of an integer."""
    signature = types.float32(types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.trunc(arguments[0], _I32), _F32)

    return signature, generate


@intrinsic
def f32_to_bits(typingctx: Any, value: Any) -> Any:
    """The bit pattern of a float32, as int32."""
    signature = types.int32(types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], _I32)

    return signature, generate


@intrinsic
def call_kernel(typingctx: Any, row: Any, thread: Any, threads: Any) -> Any:
    """Calls the function whose address is word 0 of `row` with `(row, thread, threads)`."""
    signature = types.void(types.int64, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer_type = ir.FunctionType(ir.VoidType(), [_I64] * 3).as_pointer()
        address = builder.load(builder.inttoptr(arguments[0], _I64.as_pointer()))
        builder.call(builder.inttoptr(address, pointer_type), arguments)
        return context.get_dummy_value()

    return signature, generate


def stack_memory(size: int) -> Any:
    """A function without arguments: the address of `size` bytes on the stack, at a cache line; gone
    when the kernel returns."""

    @intrinsic
    def memory(typingctx: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            # Not numba's `alloca_once`: that fills with zeros.
            with builder.goto_entry_block():
                place = builder.alloca(ir.ArrayType(ir.IntType(8), size))
            place.align = 64
            return builder.ptrtoint(place, _I64)

        return types.int64(), generate

    return memory


@intrinsic
def call_tile(typingctx: Any, function: Any, row: Any, panel: Any, first: Any, count: Any) -> Any:
    """Calls the generated function at an address with four words (see `tile`)."""
    signature = types.void(*[types.int64] * 5)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer_type = ir.FunctionType(ir.VoidType(), [_I64] * 4).as_pointer()
        builder.call(builder.inttoptr(arguments[0], pointer_type), arguments[1:])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def call_words(typingctx: Any, function: Any, words: Any) -> Any:
    """Calls the generated function at an address with a tuple of int64."""
    signature = types.void(types.int64, words)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        count = signature.args[1].count
        pointer_type = ir.FunctionType(ir.VoidType(), [_I64] * count).as_pointer()
        values = [builder.extract_value(arguments[1], index) for index in range(count)]
        builder.call(builder.inttoptr(arguments[0], pointer_type), values)
        return context.get_dummy_value()

    return signature, generate
