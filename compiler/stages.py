"""The stage table: what is true after each stage, and the passes that make it so.

Everything that knows stages reads this table: `--stop-after`, `--emit`, resuming from a `.mlir`
file, the timing report, the documentation. `--pass-pipeline` replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialects.errors import OctetError

TARGET = "octet.target"
"""Module attribute: the target the program is compiled for."""
REMAINING = "octet.remaining"
"""Module attribute: the pipelines of the stages still to come, by stage."""


@dataclass(frozen=True)
class Stage:
    """A place to stop, print, edit and resume.

    `passes` are pipeline text: names, with options where they are not the defaults. Those that need
    calibration data are left out when there is none.
    """

    name: str
    afterwards: str
    passes: tuple[str, ...] = ()


STAGES: tuple[Stage, ...] = (
    Stage("import", "nn ops on float tensors, each with the name of the layer it came from"),
    Stage(
        "simplify",
        "no batch norm, no shape arithmetic, no decomposed activations or attention; activation, "
        "bias and residual fused into the op that feeds them",
        (
            "canonicalize",
            "fold-constants",
            "cse",
            # Transposes meet and cancel first, so that they hide no pattern.
            "sink-transposes",
            "merge-pads",
            # Before the folds, which would take constants that belong to a pattern.
            "recognize-gelu",
            "recognize-layer-norm",
            "recognize-softmax",
            "recognize-attention",
            "recognize-hard-swish",
            "recognize-hard-sigmoid",
            "recognize-silu",
            "fold-batch-norm",
            # On both sides of the scale: (conv - mean) * s + b folds in three steps.
            "fold-bias",
            "fold-scale",
            "fold-bias",
            "lower-batch-norm",
            # A residual first: the activation after the addition can then be fused as well.
            "fuse-residual",
            "fuse-activation",
            "recognize-squeeze-excite",
            "canonicalize",
            "cse",
            "dce",
        ),
    ),
    Stage(
        "calibrate",
        "values that may be quantized carry the range seen on calibration data",
        (
            # Before the data are read: what a recipe says of values decides how they are measured.
            "assign-scheme",
            # Before ranges are measured: these change the values.
            "equalize-channels{by=off}",
            "smooth-activations{alpha=off}",
            "split-outlier-channels",
            "calibrate",
        ),
    ),
    Stage(
        "place",
        "every op that computes has a precision and says which rule chose it",
        (
            # Q/DQ pairs that came with the model, brought next to the ops they are meant for.
            "propagate-qdq",
            "squash-qdq",
            "place-precision",
        ),
    ),
    Stage(
        "quantize",
        "quantize and dequantize around int8 ops, and casts around 16-bit ones, as few as possible",
        (
            # From here on ops are fused and split; what becomes of each can still be told.
            "number-ops",
            "require-precision",
            # Formats of weights that need no ranges, before what is calibrated.
            "quantize-weights",
            "quantize-dynamic",
            "insert-qdq",
            # Ranges shrink one by one, before values that move together share theirs.
            "clip-outliers{samples=0}",
            "unify-scales",
            # On the types that are final, rounding first: what it leaves, biases take up
            # (docs/pass-ordering.md: what other orders cost).
            "round-adaptively{samples=0}",
            "correct-bias{samples=0}",
            # Once scales are settled, and before what moves data moves integers.
            "quantize-io{io=float}",
            "propagate-qdq",
            "squash-qdq",
            "insert-casts",
            "propagate-casts",
            "squash-casts",
        ),
    ),
    Stage(
        "integer",
        "int8 ops take and give quantized tensors; unary chains between them are tables",
        ("quantize-ops", "fuse-lookup-table", "propagate-qdq", "squash-qdq", "dce"),
    ),
    Stage(
        "kernel",
        "kernel calls and fused loops on buffers with a layout and a place in one arena",
        (
            "assign-layout",
            "lower-to-kernel",
            "fuse-loops",
            "alias-concat",
            "alias-slice",
            "plan-memory",
            "check-required",
        ),
    ),
)

STAGE_NAMES = tuple(stage.name for stage in STAGES)
FIRST, LAST = STAGE_NAMES[0], STAGE_NAMES[-1]
REQUIRE = "require-precision"
"""The pass that `--require` gives its selectors to."""
PLACE = "place"
"""The stage after which every op has a precision."""
INTEGER = "integer"
"""The last stage whose programs the reference arithmetic can run."""
KEPT = (PLACE, INTEGER)
"""The stages whose programs `--debug-info` keeps in an artifact."""


def stage_index(name: str, source: str = "stage") -> int:
    """The position of a stage. Raises OctetError that lists the stages; `source` says where
    the name stood."""
    if name not in STAGE_NAMES:
        raise OctetError(f"{source}: there is no stage '{name}'; stages: {', '.join(STAGE_NAMES)}")
    return STAGE_NAMES.index(name)


def stage_of_pass(name: str) -> str | None:
    """The first stage whose default passes include `name`."""
    for stage in STAGES:
        if any(text.split("{", 1)[0] == name for text in stage.passes):
            return stage.name
    return None
