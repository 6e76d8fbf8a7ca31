"""Constants: a handle into the weight store, or for a few elements the elements themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
from xdsl.dialects.builtin import AnyFloat, DenseIntOrFPElementsAttr, TensorType
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, opt_attr_def, prop_def, result_def, traits_def
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from dialects.elements import bfloat16, dtype_of, element_of, is_quantized
from dialects.errors import OctetError
from dialects.nn.attributes import WeightAttr
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.weights import WeightStore

INLINE_LIMIT = 8
"""Constants of up to this many elements stand in the IR, where a reader sees them."""


@irdl_op_definition
class ConstantOp(NnOp, HasFolderInterface):
    """`value` is `#nn.weight<"digest">` or, for few elements, `dense<..>`."""

    name = "nn.constant"
    traits = traits_def(ConstantLike(), Pure())
    SHAPE_RULE: ClassVar = staticmethod(lambda **_options: [])

    value = prop_def(Attribute)
    result = result_def(TensorType)
    origin = opt_attr_def(WeightAttr)
    """The float weight that was quantized, or the bias that was corrected: what passes that correct
    quantization compare with."""

    @classmethod
    def of(
        cls, array: np.ndarray, store: WeightStore, element: Attribute | None = None
    ) -> ConstantOp:
        """A constant with the contents of `array`; `element` names a quantized element type."""
        element = element_of(array.dtype) if element is None else element
        if dtype_of(element) != array.dtype:
            raise OctetError(f"a constant of {element} cannot hold {array.dtype}")
        type = TensorType(element, array.shape)
        return cls(result_types=[[type]], properties={"value": _value_of(array, type, store)})

    def array(self, store: WeightStore) -> np.ndarray:
        """The stored elements; read-only. Raises OctetError when the store lacks the weight."""
        dtype = dtype_of(element_of_value(self.result))
        if isinstance(self.value, WeightAttr):
            array = store[self.value.digest.data]
            if array.dtype != dtype or array.shape != shape_of(self.result):
                raise OctetError(
                    f"constant {self.source_name}: the IR says {self.result.type}, the weight "
                    f"store holds {array.dtype} {list(array.shape)}"
                )
            return array
        assert isinstance(self.value, DenseIntOrFPElementsAttr)
        values = np.array(self.value.get_values()).astype(dtype)
        if values.size == 1:  # a splat
            array = np.full(shape_of(self.result), values.reshape(-1)[0])
        else:
            array = values.reshape(shape_of(self.result))
        array.flags.writeable = False
        return array

    def infer_shapes(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return [shape_of(self.result)]

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        return None

    def verify_elements(self) -> None:
        """A constant says its element type itself."""

    def verify_precision(self) -> None:
        """A constant may be of any type."""

    def verify_(self) -> None:
        super().verify_()
        if isinstance(self.value, WeightAttr):
            return
        if not isinstance(self.value, DenseIntOrFPElementsAttr):
            raise VerifyException(
                "nn.constant holds #nn.weight<..> or dense<..>, got " + str(self.value)
            )
        if is_quantized(element_of_value(self.result)):
            raise VerifyException("a quantized nn.constant holds #nn.weight<..>, not dense<..>")
        if self.value.type != self.result.type:
            raise VerifyException(
                f"nn.constant of type {self.result.type} holds elements of {self.value.type}"
            )


def _value_of(array: np.ndarray, type: TensorType, store: WeightStore) -> Attribute:
    inline = (
        0 < array.size <= INLINE_LIMIT
        and not is_quantized(type.element_type)
        and array.dtype != bfloat16
        and (array.dtype.kind != "f" or bool(np.isfinite(array).all()))
    )
    if inline:
        dense = cast(TensorType[AnyFloat], type)  # or of integers: the elements say which
        return DenseIntOrFPElementsAttr.from_list(dense, array.reshape(-1).tolist())
    return WeightAttr(store.add(array))
