"""The probes of instructions run, and count what they do."""

from __future__ import annotations

import platform

import llvmlite.binding as llvm
import pytest
from peak import (
    ACCUMULATORS,
    VECTOR_INSTRUCTIONS,
    Instruction,
    _vector_loop,
    measure_peaks,
    probes,
)

x86 = platform.machine().lower() in ("x86_64", "amd64")


def test_probes_are_of_this_machine() -> None:
    names = [f"{probe.precision} {probe.unit}" for probe in probes()]
    assert len(set(names)) == len(names)
    assert bool(names) == x86


def assembly(text: str, features: str) -> str:
    machine = llvm.Target.from_triple("x86_64-unknown-linux-gnu").create_target_machine(
        features=features, opt=3
    )
    return machine.emit_assembly(llvm.parse_assembly(text))


@pytest.mark.parametrize("instruction", VECTOR_INSTRUCTIONS, ids=lambda i: i.name)
def test_a_loop_is_nothing_but_its_instruction(instruction: Instruction) -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, register = instruction.name.split()
    features = f"+avx2,+fma,+{instruction.needs}"
    if register == "zmm":
        features += ",+avx512f,+avx512bw"
    text = assembly(_vector_loop(instruction), features)
    loop = text.partition(".LBB0_1:")[2].partition("jl")[0]
    loop = loop.replace("{vex}", "")  # says how the instruction is encoded
    lines = [line.split()[0] for line in loop.splitlines() if line.strip()]
    assert sum(line.startswith(name[:-3]) for line in lines) == ACCUMULATORS
    assert len(lines) <= ACCUMULATORS + 3, "moves or spills in the loop"
    assert register in loop


def test_peaks_are_positive() -> None:
    assert all(rate > 0 for rate in measure_peaks().values())
