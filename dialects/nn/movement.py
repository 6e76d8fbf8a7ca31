"""Ops that move data. Stored integers pass through them unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import BoolAttr, FloatAttr, IntegerAttr, StringAttr, TensorType
from xdsl.interfaces import HasCanonicalizationPatternsInterface, HasFolderInterface
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.pattern_rewriter import RewritePattern
from xdsl.utils.exceptions import VerifyException

from dialects import shapes
from dialects.assembly import FLOATS, INTEGERS
from dialects.elements import is_quantized
from dialects.nn.base import NnOp, Quantization, element_of_value


class MovementOp(NnOp):
    QUANTIZATION: ClassVar = Quantization.MOVES


class FoldsWhenIdentity(MovementOp, HasFolderInterface):
    """A movement op on one operand that is nothing when it gives back its operand's type."""

    def moves_nothing(self) -> bool:
        return self.operands[0].type == self.results[0].type

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        return (self.operands[0],) if self.moves_nothing() else None


@irdl_op_definition
class ReshapeOp(FoldsWhenIdentity, HasCanonicalizationPatternsInterface):
    """Same elements in row-major order, another shape.

    Each entry of `shape` is a size, -1 (infer) or -(2 + i) (copy operand dimension i), so a
    reshape stays right when the batch or sequence size changes.
    """

    name = "nn.reshape"
    SHAPE_RULE: ClassVar = staticmethod(shapes.reshape)

    x = operand_def(TensorType)
    shape = prop_def(INTEGERS)
    result = result_def(TensorType)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from dialects.nn.canonicalization import ComposeReshapes

        return (ComposeReshapes(),)


@irdl_op_definition
class TransposeOp(FoldsWhenIdentity, HasCanonicalizationPatternsInterface):
    """`result[i] = x` with dimensions in the order `permutation`."""

    name = "nn.transpose"
    SHAPE_RULE: ClassVar = staticmethod(shapes.transpose)

    x = operand_def(TensorType)
    permutation = prop_def(INTEGERS)
    result = result_def(TensorType)

    def moves_nothing(self) -> bool:
        order = self.permutation.get_values()
        return order == tuple(range(len(order))) and super().moves_nothing()

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from dialects.nn.canonicalization import ComposeTransposes

        return (ComposeTransposes(),)


@irdl_op_definition
class ConcatOp(MovementOp, HasFolderInterface, HasCanonicalizationPatternsInterface):
    """Joins its operands along `axis`."""

    name = "nn.concat"
    SHAPE_RULE: ClassVar = staticmethod(shapes.concat)

    inputs = var_operand_def(TensorType)
    axis = prop_def(IntegerAttr)
    result = result_def(TensorType)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        return (self.inputs[0],) if len(self.inputs) == 1 else None

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from dialects.nn.canonicalization import FlattenConcat

        return (FlattenConcat(),)

    def verify_(self) -> None:
        if not self.inputs:
            raise VerifyException(f"{self.source_name}: nn.concat needs at least one operand")
        super().verify_()


@irdl_op_definition
class SliceOp(FoldsWhenIdentity, HasCanonicalizationPatternsInterface):
    """`x[start:end:step]` in every dimension (ONNX Slice clamping)."""

    name = "nn.slice"
    SHAPE_RULE: ClassVar = staticmethod(shapes.slice)

    x = operand_def(TensorType)
    starts = prop_def(INTEGERS)
    ends = prop_def(INTEGERS)
    steps = prop_def(INTEGERS)
    result = result_def(TensorType)

    def moves_nothing(self) -> bool:
        return set(self.steps.get_values()) <= {1} and super().moves_nothing()

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from dialects.nn.canonicalization import ComposeSlices

        return (ComposeSlices(),)


@irdl_op_definition
class PadOp(FoldsWhenIdentity):
    """Adds `pads` (begins then ends); a negative pad removes. `value` fills mode "constant"."""

    name = "nn.pad"
    SHAPE_RULE: ClassVar = staticmethod(shapes.pad)

    x = operand_def(TensorType)
    pads = prop_def(INTEGERS)
    mode = prop_def(StringAttr)
    value = prop_def(FloatAttr)
    result = result_def(TensorType)

    def moves_nothing(self) -> bool:
        return not any(self.pads.get_values()) and super().moves_nothing()

    def verify_(self) -> None:
        if self.mode.data not in ("constant", "reflect", "edge", "wrap"):
            raise VerifyException(
                f"{self.source_name}: pad mode is constant, reflect, edge or wrap, got "
                f"'{self.mode.data}'"
            )
        super().verify_()


@irdl_op_definition
class ExpandOp(FoldsWhenIdentity):
    """Broadcasts `x` against the coded `shape` (see nn.reshape).

    The codes count the dimensions of `like` after those of `x`: a size may follow another value.
    """

    name = "nn.expand"
    FLOAT_OPERANDS: ClassVar = frozenset({"like"})
    SHAPE_RULE: ClassVar = staticmethod(shapes.expand)

    x = operand_def(TensorType)
    like = opt_operand_def(TensorType)
    shape = prop_def(INTEGERS)
    result = result_def(TensorType)

    def moves_nothing(self) -> bool:
        # Equal at the default sizes says nothing about others.
        return self.like is None and super().moves_nothing()


@irdl_op_definition
class CropOp(MovementOp):
    """The first elements of `x` along each dimension, as many as the coded `shape` says.

    The codes count the dimensions of `like`, whose elements do not matter, after those of `x`: the
    rows of a position table that a sequence needs. Asking for more than `x` has is an error.
    """

    name = "nn.crop"
    FLOAT_OPERANDS: ClassVar = frozenset({"like"})
    SHAPE_RULE: ClassVar = staticmethod(shapes.crop)

    x = operand_def(TensorType)
    like = operand_def(TensorType)
    shape = prop_def(INTEGERS)
    result = result_def(TensorType)


@irdl_op_definition
class TileOp(FoldsWhenIdentity):
    """Repeats `x` `repeats[i]` times along dimension i."""

    name = "nn.tile"
    SHAPE_RULE: ClassVar = staticmethod(shapes.tile)

    x = operand_def(TensorType)
    repeats = prop_def(INTEGERS)
    result = result_def(TensorType)


@irdl_op_definition
class GatherOp(MovementOp):
    """`x[.., indices, ..]` along `axis`; negative indices count from the end."""

    name = "nn.gather"
    SHAPE_RULE: ClassVar = staticmethod(shapes.gather)

    x = operand_def(TensorType)
    indices = operand_def(TensorType)
    axis = prop_def(IntegerAttr)
    result = result_def(TensorType)


@irdl_op_definition
class ResizeOp(MovementOp):
    """Resamples `x` (ONNX Resize). Only `nearest` moves stored integers unchanged.

    With `antialias`, samples of a smaller result average over all elements that they cover.
    """

    name = "nn.resize"
    SHAPE_RULE: ClassVar = staticmethod(shapes.resize)

    x = operand_def(TensorType)
    mode = prop_def(StringAttr)
    coordinate_transformation = prop_def(StringAttr)
    nearest_mode = prop_def(StringAttr)
    cubic_coeff = prop_def(FloatAttr)
    exclude_outside = prop_def(BoolAttr)
    extrapolation_value = prop_def(FloatAttr)
    antialias = opt_prop_def(BoolAttr)
    scales = opt_prop_def(FLOATS)
    sizes = opt_prop_def(INTEGERS)
    roi = opt_prop_def(FLOATS)
    result = result_def(TensorType)

    def verify_(self) -> None:
        if self.mode.data != "nearest" and is_quantized(element_of_value(self.x)):
            raise VerifyException(
                f"{self.source_name}: only nearest resize works on quantized values"
            )
        antialias = self.antialias is not None and bool(self.antialias.value.data)
        if antialias and self.mode.data == "nearest":
            raise VerifyException(
                f"{self.source_name}: antialias needs mode linear or cubic, got nearest"
            )
        super().verify_()


@irdl_op_definition
class DepthToSpaceOp(MovementOp):
    """Moves channels into `block` x `block` squares (mode "DCR" or "CRD")."""

    name = "nn.depth_to_space"
    SHAPE_RULE: ClassVar = staticmethod(shapes.depth_to_space)

    x = operand_def(TensorType)
    block = prop_def(IntegerAttr)
    mode = prop_def(StringAttr)
    result = result_def(TensorType)


@irdl_op_definition
class SpaceToDepthOp(MovementOp):
    """Moves `block` x `block` squares into channels."""

    name = "nn.space_to_depth"
    SHAPE_RULE: ClassVar = staticmethod(shapes.space_to_depth)

    x = operand_def(TensorType)
    block = prop_def(IntegerAttr)
    result = result_def(TensorType)


MOVEMENT_OPS = (
    ReshapeOp, TransposeOp, ConcatOp, SliceOp, PadOp, ExpandOp, TileOp, GatherOp, ResizeOp,
    DepthToSpaceOp, SpaceToDepthOp, CropOp,
)  # fmt: skip
