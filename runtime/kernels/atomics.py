"""Atomic words and waiting, for code that several threads run at once.

Words are int64 in memory, named by their address.  Loads acquire, stores release, and everything
that reads and writes is sequentially consistent.
"""

from __future__ import annotations

import platform
import sys
import time
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from runtime.kernels.intrinsics import declare, intrinsic
from runtime.kernels.symbols import has_symbol

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_WORD = 8

# Linux system call numbers of futex(2), by machine (asm/unistd.h of each).
_FUTEX_NUMBERS = {"x86_64": 202, "aarch64": 98}
_FUTEX_WAIT_PRIVATE, _FUTEX_WAKE_PRIVATE = 128, 129


def _word(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _I64.as_pointer())


@intrinsic
def atomic_load(typingctx: Any, address: Any) -> Any:
    """The word at `address`; what its writer did before is visible after."""
    signature = types.int64(types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_word(builder, arguments[0]), "acquire", _WORD)

    return signature, generate


@intrinsic
def atomic_store(typingctx: Any, address: Any, value: Any) -> Any:
    """Stores a word; what this thread did before is visible to who loads it."""
    signature = types.void(types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, value = arguments
        builder.store_atomic(value, _word(builder, address), "release", _WORD)
        return context.get_dummy_value()

    return signature, generate


def _exchange_intrinsic(operation: str) -> Any:
    @intrinsic
    def exchange(typingctx: Any, address: Any, value: Any) -> Any:
        """Changes a word; returns what it was before."""
        signature = types.int64(types.int64, types.int64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address, value = arguments
            return builder.atomic_rmw(operation, _word(builder, address), value, "seq_cst")

        return signature, generate

    return exchange


atomic_exchange = _exchange_intrinsic("xchg")
atomic_add = _exchange_intrinsic("add")


@intrinsic
def atomic_replace(typingctx: Any, address: Any, old: Any, new: Any) -> Any:
    """Stores `new` if the word is `old`; returns whether it was."""
    signature = types.boolean(types.int64, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, old, new = arguments
        pair = builder.cmpxchg(_word(builder, address), old, new, "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return signature, generate


@intrinsic
def pause(typingctx: Any) -> Any:
    """Tells the core that this is a loop that waits: it saves power and leaves the loop faster."""
    signature = types.void()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        machine = platform.machine().lower()
        void = ir.VoidType()
        if machine in ("x86_64", "amd64"):
            builder.call(declare(builder.module, "llvm.x86.sse2.pause", void, []), [])
        elif machine in ("aarch64", "arm64"):
            hint = declare(builder.module, "llvm.aarch64.hint", void, [_I32])
            builder.call(hint, [_I32(1)])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def yield_core(typingctx: Any) -> Any:
    """Lets another thread have this core, if one waits for it."""
    signature = types.void()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.call(declare(builder.module, "sched_yield", _I32, []), [])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def clock(typingctx: Any) -> Any:
    """Nanoseconds of the system's monotonic clock (Python's `time.monotonic_ns`)."""
    signature = types.int64()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        timespec = cgutils.alloca_once(builder, ir.ArrayType(_I64, 2))
        function = declare(builder.module, "clock_gettime", _I32, [_I32, timespec.type])
        builder.call(function, [_I32(time.CLOCK_MONOTONIC), timespec])
        seconds, nanoseconds = (
            builder.load(builder.gep(timespec, [_I32(0), _I32(index)])) for index in (0, 1)
        )
        return builder.add(builder.mul(seconds, _I64(1_000_000_000)), nanoseconds)

    return signature, generate


def has_futex() -> bool:
    """Whether threads can sleep on a word (`futex_wait`) on this system."""
    return (
        sys.platform == "linux" and platform.machine() in _FUTEX_NUMBERS and has_symbol("syscall")
    )


def _futex(builder: Any, address: Any, operation: int, value: Any) -> None:
    """syscall(SYS_futex, address, operation, value, no timeout); where there is none, nothing."""
    if not has_futex():
        return
    syscall = ir.FunctionType(_I64, [_I64], var_arg=True)
    function = builder.module.globals.get("syscall")
    if function is None:
        function = ir.Function(builder.module, syscall, "syscall")
    number = _FUTEX_NUMBERS[platform.machine()]
    builder.call(function, [_I64(number), address, _I64(operation), value, _I64(0)])


@intrinsic
def futex_wait(typingctx: Any, address: Any, value: Any) -> Any:
    """Sleeps until woken, if the low half of the word is still that of `value`; may wake early."""
    signature = types.void(types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, value = arguments
        low = builder.and_(value, _I64(0xFFFFFFFF))
        _futex(builder, address, _FUTEX_WAIT_PRIVATE, low)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def futex_wake(typingctx: Any, address: Any) -> Any:
    """Wakes the thread that sleeps on the word."""
    signature = types.void(types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _futex(builder, arguments[0], _FUTEX_WAKE_PRIVATE, _I64(1))
        return context.get_dummy_value()

    return signature, generate
