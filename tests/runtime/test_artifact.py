"""Artifacts: the same bytes every time, and nothing but them is accepted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from xdsl.parser import Parser

from dialects.context import make_context
from dialects.errors import OctetError
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from runtime.artifact import MANIFEST, PROGRAM, WEIGHTS
from runtime.program import Program

SOURCE = """
func.func @main(%x : tensor<1x40xf32> {nn.name = "x"}) -> (tensor<1x40xf32> {nn.name = "y"}) {
  %c = nn.constant <value = #nn.weight<"CONSTANT">> : () -> tensor<40xf32>
  %0 = nn.add %x, %c : (tensor<1x40xf32>, tensor<40xf32>) -> tensor<1x40xf32>
  func.return %0 : tensor<1x40xf32>
}
"""
INPUT = {"x": np.arange(40, dtype=np.float32)[None]}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    ctx = make_context()
    digest = ctx.weights.add(np.arange(40, dtype=np.float32))
    module = Parser(ctx, SOURCE.replace("CONSTANT", digest)).parse_module()
    for step in (AssignLayoutPass(), LowerToKernelPass(), PlanMemoryPass()):
        step.apply(ctx, module)
    path = tmp_path / "p.octet"
    Program.from_module(module, ctx.weights, {"pipeline": "test"}).save(path)
    return path


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


def test_round_trip(artifact: Path) -> None:
    program = Program.load(artifact)
    np.testing.assert_array_equal(program.run(INPUT)["y"], 2 * INPUT["x"])
    assert program.manifest["pipeline"] == "test"


def test_saving_again_gives_the_same_bytes(artifact: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.octet"
    Program.load(artifact).save(again)
    assert again.read_bytes() == artifact.read_bytes()


@pytest.mark.parametrize("name", [PROGRAM, WEIGHTS])
def test_an_edited_entry_is_refused(artifact: Path, name: str) -> None:
    contents = entries(artifact)
    contents[name] = contents[name][:-2] + b"!\n"
    rewrite(artifact, contents)
    with pytest.raises(OctetError, match=f"{name} is damaged or was edited"):
        Program.load(artifact)


def test_weights_are_checked_against_their_digests(artifact: Path) -> None:
    """Even when the manifest was edited to match."""
    import hashlib

    contents = entries(artifact)
    data = bytearray(contents[WEIGHTS])
    data[-1] ^= 1
    contents[WEIGHTS] = bytes(data)
    manifest = json.loads(contents[MANIFEST])
    manifest["sha256"][WEIGHTS] = hashlib.sha256(data).hexdigest()
    contents[MANIFEST] = json.dumps(manifest).encode()
    rewrite(artifact, contents)
    with pytest.raises(OctetError, match="does not match its digest"):
        Program.load(artifact)


def test_an_unsound_memory_plan_is_refused(artifact: Path) -> None:
    """A program whose buffers overlap verifies as IR, but may not run."""
    import hashlib

    contents = entries(artifact)
    text = contents[PROGRAM].decode()
    assert "at = 0>" in text
    assert "at = 256>" in text
    contents[PROGRAM] = text.replace("at = 256>", "at = 64>").encode()
    manifest = json.loads(contents[MANIFEST])
    manifest["sha256"][PROGRAM] = hashlib.sha256(contents[PROGRAM]).hexdigest()
    contents[MANIFEST] = json.dumps(manifest).encode()
    rewrite(artifact, contents)
    with pytest.raises(OctetError, match="alive at the same time and overlap"):
        Program.load(artifact).run(INPUT)


def test_truncated(artifact: Path) -> None:
    artifact.write_bytes(artifact.read_bytes()[:-40])
    with pytest.raises(OctetError, match=r"not a valid \.octet file"):
        Program.load(artifact)


def test_wrong_entries(artifact: Path) -> None:
    contents = entries(artifact)
    rewrite(artifact, {**contents, "extra.py": b"print()"})
    with pytest.raises(OctetError, match="expected the entries"):
        Program.load(artifact)


def test_other_format_version(artifact: Path) -> None:
    contents = entries(artifact)
    manifest = json.loads(contents[MANIFEST]) | {"format": 99}
    rewrite(artifact, {**contents, MANIFEST: json.dumps(manifest).encode()})
    with pytest.raises(OctetError, match="artifact format 99"):
        Program.load(artifact)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(OctetError, match="no such file"):
        Program.load(tmp_path / "none.octet")


def test_unwritable_output_leaves_nothing(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(OctetError, match="cannot write"):
        Program.load(artifact).save(tmp_path / "no" / "such" / "folder.octet")
    assert sorted(tmp_path.iterdir()) == [artifact]
