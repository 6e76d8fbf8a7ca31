"""The table walker: order, stages, threads, workers."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from runtime.executor import Table, run_calls
from runtime.kernels.abi import Call, View, f32_bits, kernel
from runtime.kernels.intrinsics import argument, f32_argument, f32_pointer, i64_pointer


@kernel
def scale_add(row: int, thread: int, threads: int) -> None:
    """y[i] = a[n - 1 - i] * factor + 1: every thread reads what others wrote in the call before."""
    n = argument(row, 1)
    a, y = f32_pointer(argument(row, 2)), f32_pointer(argument(row, 3))
    factor = f32_argument(row, 4)
    for i in range(n * thread // threads, n * (thread + 1) // threads):
        y[i] = a[n - 1 - i] * factor + np.float32(1)


@kernel
def record(row: int, thread: int, threads: int) -> None:
    i64_pointer(argument(row, 1))[thread] += threads


def chain(length: int, n: int) -> tuple[list[Call], np.ndarray]:
    buffers = np.zeros((2, n), np.float32)
    buffers[0] = np.arange(n)
    addresses = [View.of(buffer).address for buffer in buffers]
    calls = [
        Call(scale_add, (n, addresses[i % 2], addresses[(i + 1) % 2], f32_bits(0.5)), (buffers,))
        for i in range(length)
    ]
    return calls, buffers


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_calls_run_in_order_on_any_number_of_threads(threads: int) -> None:
    length, n = 301, 1000
    calls, buffers = chain(length, n)
    expected = buffers[0].copy()
    for _ in range(length):
        expected = expected[::-1] * np.float32(0.5) + np.float32(1)
    run_calls(calls, threads)
    np.testing.assert_array_equal(buffers[length % 2], expected)


def test_every_thread_runs_every_call() -> None:
    counts = np.zeros(8, np.int64)
    table = Table([Call(record, (counts.ctypes.data,))] * 5)
    table.run(threads=3)
    np.testing.assert_array_equal(counts, [15, 15, 15, 0, 0, 0, 0, 0])
    table.run()
    np.testing.assert_array_equal(counts[:2], [20, 15])


def test_tables_run_from_several_python_threads() -> None:
    cases = [chain(100, 500) for _ in range(4)]
    expected = cases[0][1].copy()
    tables = [Table(calls) for calls, _ in cases]
    workers = [threading.Thread(target=table.run, args=(2,)) for table in tables]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    run_calls([Call(c.kernel, (500, *_swap(c, expected)), ()) for c in cases[0][0]])
    for _, buffers in cases:
        np.testing.assert_array_equal(buffers, expected)


def _swap(call: Call, buffers: np.ndarray) -> tuple[int, ...]:
    """The call's arguments with other buffers."""
    base = call.keep[0].ctypes.data
    source, target = (address - base + buffers.ctypes.data for address in call.arguments[1:3])
    return (source, target, call.arguments[3])


def test_an_empty_table_runs() -> None:
    run_calls([])
    run_calls([], threads=2)


def test_threads_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        run_calls([], threads=0)
