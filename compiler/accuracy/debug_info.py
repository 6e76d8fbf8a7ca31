"""What an artifact keeps for `octet-run --compare-float`: the program placed, and quantized.

`compile --debug-info` (as `-g` does for other compilers) makes the file larger by the float weights
and changes nothing else: the program that runs has the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from compiler.accuracy.document import Comparison, comparison_of
from compiler.accuracy.measure import measure_accuracy, single_samples
from compiler.accuracy.pairs import Placed
from compiler.stages import INTEGER, KEPT, PLACE
from dialects.context import Feed
from dialects.errors import OctetError
from dialects.weights import WeightStore
from runtime.artifact import load_sections


@dataclass(frozen=True)
class DebugInfo:
    """The program as it was placed, in float, and as it was quantized."""

    placed: ModuleOp
    quantized: ModuleOp
    weights: WeightStore

    def compare(
        self, batches: Iterable[Feed], done: Callable[[], None] = lambda: None
    ) -> Comparison:
        """Every layer beside float on `batches`. `done` is called after each sample."""
        placed = Placed.of(self.placed)
        samples = single_samples(batches, self.placed)
        accuracy = measure_accuracy(placed, self.quantized, self.weights, samples, done)
        return comparison_of(placed, self.quantized, accuracy)


def load_debug_info(path: Path) -> DebugInfo:
    """The debug info of a `.octet` file. Raises OctetError if it has none."""
    programs, weights = load_sections(path, KEPT)
    if not programs:
        raise OctetError(
            f"{path} holds no float program to compare with: compile the model again with "
            "--debug-info"
        )
    return DebugInfo(programs[PLACE], programs[INTEGER], weights)
