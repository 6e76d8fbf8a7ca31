"""Elementwise ops: unary functions, binary arithmetic with broadcasting, comparisons, casts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, StringAttr, TensorType
from xdsl.interfaces import HasCanonicalizationPatternsInterface, HasFolderInterface
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def
from xdsl.pattern_rewriter import RewritePattern
from xdsl.utils.exceptions import VerifyException

from dialects import shapes
from dialects.elements import boolean, is_quantized
from dialects.nn.attributes import WeightAttr
from dialects.nn.base import NnOp, Quantization, always, element_of_value


class UnaryOp(NnOp):
    """One operand, one result of its shape. In int8 any of them is one table lookup."""

    QUANTIZATION: ClassVar = Quantization.TABLE
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    result = result_def(TensorType)


class BinaryOp(NnOp):
    """Two operands that broadcast as in numpy."""

    SHAPE_RULE: ClassVar = staticmethod(shapes.elementwise)

    lhs = operand_def(TensorType)
    rhs = operand_def(TensorType)
    result = result_def(TensorType)


class BinaryOpWithIdentity(BinaryOp, HasFolderInterface):
    """A binary op that gives back its left operand when the right one is RIGHT_IDENTITY."""

    RIGHT_IDENTITY: ClassVar[float]
    LEFT_IDENTITY: ClassVar[float | None] = None

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        from dialects.nn.canonicalization import without_identity

        value = without_identity(self, self.RIGHT_IDENTITY, self.LEFT_IDENTITY)
        return None if value is None else (value,)


class ComparisonOp(BinaryOp):
    """A binary op with a boolean result."""

    ELEMENT_RULE: ClassVar = staticmethod(always(boolean))


# --- unary ----------------------------------------------------------------------------------


@irdl_op_definition
class ReluOp(UnaryOp, HasFolderInterface, HasCanonicalizationPatternsInterface):
    """`max(x, 0)`."""

    name = "nn.relu"

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """`relu(relu(x))` is `relu(x)`."""
        return (self.x,) if isinstance(self.x.owner, ReluOp) else None

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from dialects.nn.canonicalization import ComposeClips

        return (ComposeClips(),)


@irdl_op_definition
class ClipOp(UnaryOp, HasCanonicalizationPatternsInterface):
    """`min(max(x, min), max)`; bounds may be infinite."""

    name = "nn.clip"
    min = prop_def(FloatAttr)
    max = prop_def(FloatAttr)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from dialects.nn.canonicalization import ClipToRelu, ComposeClips

        return (ClipToRelu(), ComposeClips())


@irdl_op_definition
class LeakyReluOp(UnaryOp):
    """`x if x >= 0 else alpha * x`."""

    name = "nn.leaky_relu"
    alpha = prop_def(FloatAttr)


@irdl_op_definition
class EluOp(UnaryOp):
    """`x if x >= 0 else alpha * (exp(x) - 1)`."""

    name = "nn.elu"
    alpha = prop_def(FloatAttr)


@irdl_op_definition
class HardSwishOp(UnaryOp):
    """`x * clip(x / 6 + 0.5, 0, 1)`."""

    name = "nn.hard_swish"


@irdl_op_definition
class HardSigmoidOp(UnaryOp):
    """`clip(alpha * x + beta, 0, 1)`."""

    name = "nn.hard_sigmoid"
    alpha = prop_def(FloatAttr)
    beta = prop_def(FloatAttr)


@irdl_op_definition
class GeluOp(UnaryOp):
    """`x * 0.5 * (1 + erf(x / sqrt(2)))`, or its tanh approximation."""

    name = "nn.gelu"
    approximate = prop_def(StringAttr)

    def verify_(self) -> None:
        if self.approximate.data not in ("none", "tanh"):
            raise VerifyException(
                f'{self.source_name}: approximate is "none" or "tanh", '
                f'got "{self.approximate.data}"'
            )
        super().verify_()


@irdl_op_definition
class SigmoidOp(UnaryOp):
    """`1 / (1 + exp(-x))`."""

    name = "nn.sigmoid"


@irdl_op_definition
class SiluOp(UnaryOp):
    """`x * sigmoid(x)`, also called swish."""

    name = "nn.silu"


@irdl_op_definition
class TanhOp(UnaryOp):
    name = "nn.tanh"


@irdl_op_definition
class ErfOp(UnaryOp):
    """The error function."""

    name = "nn.erf"


@irdl_op_definition
class SqrtOp(UnaryOp):
    name = "nn.sqrt"


@irdl_op_definition
class ExpOp(UnaryOp):
    name = "nn.exp"


@irdl_op_definition
class LogOp(UnaryOp):
    """The natural logarithm."""

    name = "nn.log"


@irdl_op_definition
class NegOp(UnaryOp, HasFolderInterface):
    name = "nn.neg"

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """`neg(neg(x))` is `x`."""
        inner = self.x.owner
        if not isinstance(inner, NegOp) or inner.x.type != self.result.type:
            return None
        return (inner.x,)


@irdl_op_definition
class AbsOp(UnaryOp, HasFolderInterface):
    name = "nn.abs"

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """`abs(abs(x))` is `abs(x)`."""
        same = isinstance(self.x.owner, AbsOp) and self.x.type == self.result.type
        return (self.x,) if same else None


@irdl_op_definition
class ReciprocalOp(UnaryOp):
    name = "nn.reciprocal"


@irdl_op_definition
class FloorOp(UnaryOp):
    name = "nn.floor"


@irdl_op_definition
class CeilOp(UnaryOp):
    name = "nn.ceil"


@irdl_op_definition
class RoundOp(UnaryOp):
    """Rounds half to even."""

    name = "nn.round"


@irdl_op_definition
class SignOp(UnaryOp):
    name = "nn.sign"


@irdl_op_definition
class NotOp(UnaryOp, HasFolderInterface):
    """Logical negation of booleans."""

    name = "nn.not"
    QUANTIZATION: ClassVar = Quantization.FLOAT

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """`not(not(x))` is `x`."""
        inner = self.x.owner
        if not isinstance(inner, NotOp) or inner.x.type != self.result.type:
            return None
        return (inner.x,)


@irdl_op_definition
class LookupOp(NnOp):
    """A 256-entry table: `result = table[index]`, the index being the stored byte.

    For a signed operand the index is `stored + 128`. The table holds the result's stored
    integers, or float32 for a float result.
    """

    name = "nn.lookup"
    QUANTIZATION: ClassVar = Quantization.COMPUTES
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    table = prop_def(WeightAttr)
    result = result_def(TensorType)

    def verify_(self) -> None:
        if not is_quantized(element_of_value(self.x)):
            raise VerifyException(
                f"{self.source_name}: nn.lookup indexes its table with quantized values, got "
                f"{self.x.type}"
            )
        super().verify_()


@irdl_op_definition
class CastOp(NnOp, HasFolderInterface):
    """Converts elements to the result's type (ONNX Cast)."""

    name = "nn.cast"
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    result = result_def(TensorType)

    def verify_elements(self) -> None:
        """Any element type may become any other."""

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        return (self.x,) if self.x.type == self.result.type else None


# --- binary ---------------------------------------------------------------------------------


@irdl_op_definition
class AddOp(BinaryOpWithIdentity):
    name = "nn.add"
    RIGHT_IDENTITY: ClassVar = -0.0
    LEFT_IDENTITY: ClassVar = -0.0
    QUANTIZATION: ClassVar = Quantization.COMPUTES


@irdl_op_definition
class SubOp(BinaryOpWithIdentity):
    name = "nn.sub"
    RIGHT_IDENTITY: ClassVar = 0.0
    QUANTIZATION: ClassVar = Quantization.COMPUTES


@irdl_op_definition
class MulOp(BinaryOpWithIdentity):
    name = "nn.mul"
    RIGHT_IDENTITY: ClassVar = 1.0
    LEFT_IDENTITY: ClassVar = 1.0
    QUANTIZATION: ClassVar = Quantization.COMPUTES


@irdl_op_definition
class DivOp(BinaryOpWithIdentity):
    """Integers divide toward zero."""

    name = "nn.div"
    RIGHT_IDENTITY: ClassVar = 1.0


@irdl_op_definition
class ModOp(BinaryOp):
    """The remainder: integers take the divisor's sign, floats the dividend's."""

    name = "nn.mod"


@irdl_op_definition
class PowOp(BinaryOpWithIdentity):
    name = "nn.pow"
    RIGHT_IDENTITY: ClassVar = 1.0


@irdl_op_definition
class MinOp(BinaryOp, HasCanonicalizationPatternsInterface):
    name = "nn.min"

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from dialects.nn.canonicalization import BoundToClip

        return (BoundToClip(),)


@irdl_op_definition
class MaxOp(BinaryOp, HasCanonicalizationPatternsInterface):
    name = "nn.max"

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from dialects.nn.canonicalization import BoundToClip

        return (BoundToClip(),)


@irdl_op_definition
class PReluOp(BinaryOp):
    """`x if x >= 0 else slope * x`; the slope (rhs) broadcasts to x (lhs)."""

    name = "nn.prelu"


@irdl_op_definition
class EqualOp(ComparisonOp):
    name = "nn.equal"


@irdl_op_definition
class LessOp(ComparisonOp):
    name = "nn.less"


@irdl_op_definition
class LessEqualOp(ComparisonOp):
    name = "nn.less_equal"


@irdl_op_definition
class GreaterOp(ComparisonOp):
    name = "nn.greater"


@irdl_op_definition
class GreaterEqualOp(ComparisonOp):
    name = "nn.greater_equal"


@irdl_op_definition
class AndOp(ComparisonOp):
    name = "nn.and"


@irdl_op_definition
class OrOp(ComparisonOp):
    name = "nn.or"


@irdl_op_definition
class XorOp(ComparisonOp):
    name = "nn.xor"


@irdl_op_definition
class WhereOp(NnOp):
    """`x where condition else y`, all three broadcasting."""

    name = "nn.where"
    SHAPE_RULE: ClassVar = staticmethod(shapes.elementwise)
    ELEMENT_RULE: ClassVar = staticmethod(lambda elements, _options: [elements[1]])

    condition = operand_def(TensorType)
    x = operand_def(TensorType)
    y = operand_def(TensorType)
    result = result_def(TensorType)


UNARY_OPS = (
    ReluOp, ClipOp, LeakyReluOp, EluOp, HardSwishOp, HardSigmoidOp, GeluOp, SigmoidOp, SiluOp,
    TanhOp, ErfOp, SqrtOp, ExpOp, LogOp, NegOp, AbsOp, ReciprocalOp, FloorOp, CeilOp, RoundOp,
    SignOp, NotOp,
)  # fmt: skip
BINARY_OPS = (
    AddOp, SubOp, MulOp, DivOp, ModOp, PowOp, MinOp, MaxOp, PReluOp, EqualOp, LessOp, LessEqualOp,
    GreaterOp, GreaterEqualOp, AndOp, OrOp, XorOp,
)  # fmt: skip
ELEMENTWISE_OPS = (*UNARY_OPS, *BINARY_OPS, LookupOp, CastOp, WhereOp)
