"""Fixtures of the kernel tests."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator

import pytest

from runtime.kernels.isa import ISAS, Isa, host_isas

_SECONDS = 180


@pytest.fixture(autouse=True)
def code_generation_ends() -> Iterator[None]:
    """Ends the process with a traceback if a test hangs: LLVM can loop for ever, and no signal
    reaches it."""
    faulthandler.dump_traceback_later(_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session", params=ISAS, ids=str)
def isa(request: pytest.FixtureRequest) -> Isa:
    """Every instruction set that this machine has."""
    if request.param not in host_isas():
        pytest.skip(f"this CPU has no {request.param}")
    return request.param
