"""Octet's passes, in folders by stage. One file per pass, one line per pass in the table below."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from xdsl.passes import ModulePass

PASSES: dict[str, tuple[str, str]] = {
    # simplify
    "fold-batch-norm": ("passes.simplify.fold_batch_norm", "FoldBatchNormPass"),
    "fold-bias": ("passes.simplify.fold_bias", "FoldBiasPass"),
    "fold-constants": ("passes.simplify.fold_constants", "FoldConstantsPass"),
    "fold-scale": ("passes.simplify.fold_scale", "FoldScalePass"),
    "fuse-activation": ("passes.simplify.fuse_activation", "FuseActivationPass"),
    "fuse-residual": ("passes.simplify.fuse_residual", "FuseResidualPass"),
    "lower-batch-norm": ("passes.simplify.lower_batch_norm", "LowerBatchNormPass"),
    "merge-pads": ("passes.simplify.merge_pads", "MergePadsPass"),
    "recognize-attention": (
        "passes.simplify.recognize_attention",
        "RecognizeAttentionPass",
    ),
    "recognize-gelu": ("passes.simplify.recognize_gelu", "RecognizeGeluPass"),
    "recognize-hard-sigmoid": (
        "passes.simplify.recognize_hard_sigmoid",
        "RecognizeHardSigmoidPass",
    ),
    "recognize-hard-swish": ("passes.simplify.recognize_hard_swish", "RecognizeHardSwishPass"),
    "recognize-layer-norm": ("passes.simplify.recognize_layer_norm", "RecognizeLayerNormPass"),
    "recognize-silu": ("passes.simplify.recognize_silu", "RecognizeSiluPass"),
    "recognize-softmax": ("passes.simplify.recognize_softmax", "RecognizeSoftmaxPass"),
    "recognize-squeeze-excite": (
        "passes.simplify.recognize_squeeze_excite",
        "RecognizeSqueezeExcitePass",
    ),
    "sink-transposes": ("passes.simplify.sink_transposes", "SinkTransposesPass"),
    # calibrate
    "assign-scheme": ("passes.calibrate.assign_scheme", "AssignSchemePass"),
    "split-outlier-channels": (
        "passes.calibrate.split_outlier_channels",
        "SplitOutlierChannelsPass",
    ),
    "calibrate": ("passes.calibrate.calibrate", "CalibratePass"),
    "equalize-channels": ("passes.calibrate.equalize_channels", "EqualizeChannelsPass"),
    "smooth-activations": ("passes.calibrate.smooth_activations", "SmoothActivationsPass"),
    # placement
    "number-ops": ("passes.placement.number_ops", "NumberOpsPass"),
    "place-precision": ("passes.placement.place_precision", "PlacePrecisionPass"),
    "prune-islands": ("passes.placement.prune_islands", "PruneIslandsPass"),
    "require-precision": ("passes.placement.require_precision", "RequirePrecisionPass"),
    # quantize
    "clip-outliers": ("passes.quantize.clip_outliers", "ClipOutliersPass"),
    "correct-bias": ("passes.quantize.correct_bias", "CorrectBiasPass"),
    "insert-qdq": ("passes.quantize.insert_qdq", "InsertQdqPass"),
    "quantize-dynamic": ("passes.quantize.quantize_dynamic", "QuantizeDynamicPass"),
    "quantize-weights": ("passes.quantize.quantize_weights", "QuantizeWeightsPass"),
    "propagate-qdq": ("passes.quantize.propagate_qdq", "PropagateQdqPass"),
    "quantize-io": ("passes.quantize.quantize_io", "QuantizeIoPass"),
    "round-adaptively": ("passes.quantize.round_adaptively", "RoundAdaptivelyPass"),
    "squash-qdq": ("passes.quantize.squash_qdq", "SquashQdqPass"),
    "unify-scales": ("passes.quantize.unify_scales", "UnifyScalesPass"),
    # 16-bit floats
    "insert-casts": ("passes.precision.insert_casts", "InsertCastsPass"),
    "propagate-casts": ("passes.precision.propagate_casts", "PropagateCastsPass"),
    "squash-casts": ("passes.precision.squash_casts", "SquashCastsPass"),
    # integer
    "fuse-lookup-table": ("passes.integer.fuse_lookup_table", "FuseLookupTablePass"),
    "quantize-ops": ("passes.integer.quantize_ops", "QuantizeOpsPass"),
    # kernel
    "alias-concat": ("passes.kernel.alias_concat", "AliasConcatPass"),
    "alias-slice": ("passes.kernel.alias_slice", "AliasSlicePass"),
    "assign-layout": ("passes.kernel.assign_layout", "AssignLayoutPass"),
    "check-required": ("passes.kernel.check_required", "CheckRequiredPass"),
    "fuse-loops": ("passes.kernel.fuse_loops", "FuseLoopsPass"),
    "lower-to-kernel": ("passes.kernel.lower_to_kernel", "LowerToKernelPass"),
    "plan-memory": ("passes.kernel.plan_memory", "PlanMemoryPass"),
}
"""Pass name -> (module, class). A module is imported when its pass is first asked for."""


def get_all_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """Octet's passes by name, each imported on first use."""

    def lazily(module: str, class_name: str) -> Callable[[], type[ModulePass]]:
        return lambda: getattr(import_module(module), class_name)

    return {name: lazily(*where) for name, where in PASSES.items()}
