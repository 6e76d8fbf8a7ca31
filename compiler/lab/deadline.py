"""A time limit for a block of code."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TimeoutReached(BaseException):
    """The time is up. Not an Exception, so that nothing on the way takes it for a failure."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises TimeoutReached in the block when it takes longer.

    A call into compiled code ends first. In a main thread a signal interrupts; threads of a cluster
    worker are sent the exception.
    """
    if threading.current_thread() is threading.main_thread():
        yield from _by_signal(seconds)
    else:
        yield from _by_exception(seconds)


def _by_signal(seconds: float) -> Iterator[None]:
    def reached(_number: int, _frame: object) -> None:
        raise TimeoutReached

    previous = signal.signal(signal.SIGALRM, reached)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _by_exception(seconds: float) -> Iterator[None]:
    thread, lock = threading.get_ident(), threading.Lock()
    over = False

    def reached() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(TimeoutReached)
                )

    timer = threading.Timer(seconds, reached)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()
