"""Programs imported at one size and run at another, and reasons why some cannot be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from compiler.frontends.onnx import import_onnx
from compiler.frontends.onnx.dims import DeclaredInput, resolve_inputs
from dialects.errors import OctetError
from dialects.program import DIMS, FIXED_SHAPE, argument_attributes, main_function

FLOAT = np.float32
_random = np.random.default_rng(1)


def f32(*shape: int) -> np.ndarray:
    return _random.standard_normal(shape).astype(FLOAT)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def symbols(module) -> list[list[str]]:
    return [
        [name.data for name in attributes[DIMS]]
        for attributes in argument_attributes(main_function(module))
    ]


def mnemonics(module) -> list[str]:
    return [op.name for op in main_function(module).body.block.ops]


@pytest.fixture
def at_other_sizes(build, compare):
    """at_other_sizes(nodes, declared sizes, initializers, other shapes): equal to ONNX Runtime at
    the default and at each other shape; gives the module."""

    def check(nodes, sizes, initializers, others: Sequence[tuple[int, ...]]):
        model = build(nodes, {"x": (FLOAT, sizes)}, ["y"], initializers)
        default = tuple(1 if isinstance(size, str) else size for size in sizes)
        module = compare(model, {"x": f32(*default)}, others=[{"x": f32(*s)} for s in others])
        assert FIXED_SHAPE not in module.attributes
        return module

    return check


def shape_parts(node, *axes: int) -> list:
    """Nodes that give `d<axis>`, one-element lists holding sizes of x."""
    nodes = [node("Shape", ["x"], ["shape"])]
    for axis in axes:
        nodes.append(node("Gather", ["shape", f"i{axis}"], [f"s{axis}"], axis=0))
        nodes.append(node("Unsqueeze", [f"s{axis}", "zero"], [f"d{axis}"]))
    return nodes


INDICES = {"zero": i64(0), **{f"i{axis}": np.array(axis) for axis in range(4)}}


def test_a_classifier_with_a_batch_symbol(node, at_other_sizes):
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", ["p", "target"], ["f"]),
        node("Gemm", ["f", "m"], ["g"]),
        node("Softmax", ["g"], ["y"], axis=-1),
    ]
    weights = {"w": f32(4, 3, 3, 3), "m": f32(64, 5), "target": i64(-1, 64)}
    module = at_other_sizes(nodes, ["N", 3, 8, 8], weights, [(3, 3, 8, 8)])
    assert symbols(module) == [["batch", "", "", ""]]


def test_shape_arithmetic_leaves_no_ops(node, at_other_sizes):
    # view(x.size(0), x.size(1) * x.size(2), -1), as exporters write it
    nodes = [
        *shape_parts(node, 0, 1, 2),
        node("Mul", ["d1", "d2"], ["product"]),
        node("Concat", ["d0", "product", "rest"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = INDICES | {"rest": i64(-1)}
    module = at_other_sizes(nodes, ["N", 4, 6, 5], constants, [(3, 4, 6, 5)])
    assert mnemonics(module) == ["nn.reshape", "func.return"]


def test_attention_heads_with_a_symbolic_sequence(node, at_other_sizes):
    nodes = [
        *shape_parts(node, 0, 1),
        node("Concat", ["d0", "d1", "heads"], ["split"], axis=0),
        node("Reshape", ["x", "split"], ["h"]),
        node("Transpose", ["h"], ["t"], perm=[0, 2, 1, 3]),
        node("MatMul", ["t", "w"], ["m"]),
        node("Transpose", ["m"], ["b"], perm=[0, 2, 1, 3]),
        node("Concat", ["d0", "d1", "width"], ["joined"], axis=0),
        node("Reshape", ["b", "joined"], ["y"]),
    ]
    constants = INDICES | {"heads": i64(2, 4), "width": i64(8), "w": f32(4, 4)}
    module = at_other_sizes(nodes, ["N", "T", 8], constants, [(3, 1, 8), (2, 5, 8)])
    assert symbols(module) == [["batch", "T", ""]]


def test_slices_counted_from_a_symbolic_end(node, at_other_sizes):
    nodes = [
        *shape_parts(node, 1),
        node("Sub", ["d1", "one"], ["last"]),
        node("Slice", ["x", "zero", "last", "one"], ["y"]),
    ]
    module = at_other_sizes(nodes, ["N", "T"], INDICES | {"one": i64(1)}, [(2, 7)])
    assert "ends = [9223372036854775807, -1]" in str(module)


def test_gather_of_the_last_element(node, at_other_sizes):
    nodes = [
        *shape_parts(node, 1),
        node("Sub", ["s1", "one"], ["last"]),
        node("Gather", ["x", "last"], ["y"], axis=1),
    ]
    module = at_other_sizes(nodes, ["N", "T", 3], INDICES | {"one": np.array(1)}, [(2, 7, 3)])
    assert "dense<-1>" in str(module)


def test_halving_a_symbolic_axis(node, at_other_sizes):
    # chunk(2, dim=1): bounds are size // 2, a constant because the size is
    nodes = [node("Split", ["x"], ["a", "b"], axis=1), node("Mul", ["a", "b"], ["y"])]
    at_other_sizes(nodes, ["N", 6, "T"], {}, [(2, 6, 3)])


def test_resize_to_twice_a_symbolic_size(node, at_other_sizes):
    nodes = [
        *shape_parts(node, 0, 1, 2, 3),
        node("Mul", ["d2", "two"], ["h"]),
        node("Mul", ["d3", "two"], ["w"]),
        node("Concat", ["d0", "d1", "h", "w"], ["sizes"], axis=0),
        node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest"),
    ]
    module = at_other_sizes(nodes, ["N", 2, "H", "W"], INDICES | {"two": i64(2)}, [(2, 2, 4, 3)])
    assert "scales = [1.0, 1.0, 2.0, 2.0]" in str(module)


def test_float_arithmetic_on_sizes(node, at_other_sizes):
    # interpolate(scale_factor=1.5) with recompute: floor(float(size) * 1.5)
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Cast", ["shape"], ["real"], to=1),
        node("Mul", ["real", "scales"], ["grown"]),
        node("Floor", ["grown"], ["floored"]),
        node("Cast", ["floored"], ["sizes"], to=7),
        node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest"),
    ]
    scales = {"scales": np.array([1, 1, 1.5, 1.5], FLOAT)}
    at_other_sizes(nodes, ["N", 2, 4, 6], scales, [(3, 2, 4, 6)])


def test_expand_to_a_size_of_its_operand(node, at_other_sizes):
    nodes = [
        *shape_parts(node, 0),
        node("Concat", ["d0", "four"], ["target"], axis=0),
        node("Expand", ["x", "target"], ["y"]),
    ]
    at_other_sizes(nodes, ["N", 1], INDICES | {"four": i64(4)}, [(3, 1)])


def test_old_softmax_over_several_dimensions(node, build, compare):
    model = build([node("Softmax", ["x"], ["y"], axis=1)], {"x": (FLOAT, ["N", 3, 4])}, ["y"],
                  opset=11)  # fmt: skip
    module = compare(model, {"x": f32(1, 3, 4)}, others=[{"x": f32(5, 3, 4)}])
    assert FIXED_SHAPE not in module.attributes


# --- the batch that a fixed model implies ---------------------------------------------------


@pytest.mark.parametrize("target", [(1, 12), (1, -1), (1, 3, 4), (1, 1, 12)])
def test_a_model_fixed_at_batch_one_runs_at_any(node, build, context, target):
    from runtime.reference.evaluate import evaluate

    model = build(
        [node("Reshape", ["x", "s"], ["r"]), node("Relu", ["r"], ["y"])],
        {"x": (FLOAT, [1, 2, 6])}, ["y"], {"s": i64(*target)},
    )  # fmt: skip
    module = import_onnx(model, context)
    assert FIXED_SHAPE not in module.attributes
    assert symbols(module) == [["batch", "", ""]]
    x = f32(3, 2, 6)
    y = evaluate(module, {"x": x}, context.weights)["y"]
    expected = np.maximum(x.reshape(3, *target[1:]), 0)
    np.testing.assert_array_equal(y, expected)


def test_a_literal_batch_in_a_symbolic_model(node, build, context):
    # Nothing else than the batch can be meant where the literal fits no other size.
    nodes = [node("Reshape", ["x", "s"], ["y"])]
    model = build(nodes, {"x": (FLOAT, ["N", 2, 6])}, ["y"], {"s": i64(1, 12)})
    assert "shape = [-2, 12]" in str(import_onnx(model, context))


def test_a_literal_one_that_means_one(node, at_other_sizes):
    at_other_sizes([node("Reshape", ["x", "s"], ["y"])], ["N", 6], {"s": i64(1, -1)}, [(3, 6)])


def test_the_batch_can_be_given(node, build, context):
    model = build([node("Relu", ["x"], ["y"])], {"x": (FLOAT, [1, 3])}, ["y"])
    module = import_onnx(model, context, shapes={"x": [4, 3]})
    assert "tensor<4x3xf32>" in str(module)
    assert symbols(module) == [["batch", ""]]


def test_a_given_size_is_no_symbol_any_more(node, build, context):
    model = build([node("Relu", ["x"], ["y"])], {"x": (FLOAT, ["N", "T"])}, ["y"])
    assert symbols(import_onnx(model, context, shapes={"x": [2, 5]})) == [["batch", ""]]


def test_a_symbol_given_once_holds_everywhere(node, build, context):
    inputs = {"a": (FLOAT, ["N", "T"]), "b": (FLOAT, ["N", "T"])}
    model = build([node("Add", ["a", "b"], ["y"])], inputs, ["y"])
    module = import_onnx(model, context, shapes={"a": [2, 5]})
    assert str(module).count("tensor<2x5xf32>") >= 3


# --- sizes that cannot vary -----------------------------------------------------------------


def reason(module) -> str:
    return module.attributes[FIXED_SHAPE].data


def test_a_size_used_as_data(node, build, compare):
    nodes = [node("Shape", ["x"], ["y"], name="size")]
    module = compare(build(nodes, {"x": (FLOAT, ["N", 3])}, ["y"]), {"x": f32(1, 3)})
    assert reason(module).startswith("output 'y': uses the size 'size' computes")


def test_a_tensor_of_a_size_that_no_input_has(node, build, compare):
    nodes = [
        *shape_parts(node, 0),
        node("Mul", ["d0", "two"], ["twice"]),
        node("Concat", ["twice", "width"], ["target"], axis=0),
        node("Expand", ["token", "target"], ["t"], name="tokens"),
        node("Slice", ["t", "zero", "d0"], ["part"]),
        node("Add", ["x", "part"], ["y"]),
    ]
    constants = INDICES | {"token": f32(1, 2000), "width": i64(2000), "two": i64(2)}
    model = build(nodes, {"x": (FLOAT, ["N", 2000])}, ["y"], constants)
    assert reason(compare(model, {"x": f32(1, 2000)})).startswith("tokens: its shape has a size")


def test_a_constant_of_a_size_that_no_input_has(node, build, compare):
    nodes = [
        *shape_parts(node, 0),
        node("Add", ["d0", "one"], ["more"]),
        node("Concat", ["more", "width"], ["shape2"], axis=0),
        node("ConstantOfShape", ["shape2"], ["zeros"], name="zeros"),
        node("Slice", ["zeros", "one", "end"], ["part"]),
        node("Add", ["x", "part"], ["y"], name="sum"),
    ]
    constants = INDICES | {"one": i64(1), "width": i64(2000), "end": i64(2**31)}
    model = build(nodes, {"x": (FLOAT, ["N", 2000])}, ["y"], constants)
    assert reason(compare(model, {"x": f32(1, 2000)})) == (
        "zeros: its result has a size that no input has"
    )


def test_an_op_that_fits_one_size_only(node, build, compare):
    # A weight of shape [1, 3, 2] multiplies from the left: another batch does not broadcast.
    nodes = [node("Concat", ["x", "w"], ["y"], axis=1, name="join")]
    model = build(nodes, {"x": (FLOAT, [1, 3, 2])}, ["y"], {"w": f32(1, 1, 2)})
    assert reason(compare(model, {"x": f32(1, 3, 2)})).startswith("join: concat along 1")


def test_other_symbols_are_given_up_before_the_batch(node, build, context):
    # A number made of T is data; with T fixed at its default the batch stays free.
    nodes = [
        *shape_parts(node, 1),
        node("Cast", ["d1"], ["length"], to=1),
        node("Div", ["x", "length"], ["y"]),
    ]
    model = build(nodes, {"x": (FLOAT, ["N", "T", 4])}, ["y"], INDICES)
    module = import_onnx(model, context)
    assert FIXED_SHAPE not in module.attributes
    assert symbols(module) == [["batch", "", ""]]


# --- values whose sizes follow an input -----------------------------------------------------


def position_nodes(node) -> list:
    return [
        *shape_parts(node, 1),
        node("Range", ["start", "s1", "step"], ["positions"]),
        node("Gather", ["table", "positions"], ["p"], name="table"),
        node("Add", ["x", "p"], ["y"]),
    ]


@pytest.mark.parametrize(("rows", "first"), [(200, 0), (200, 2), (9, 0), (9, 1)])
def test_position_indices(node, at_other_sizes, rows, first):
    # Tables shorter than the default length are no obstacle.
    nodes = position_nodes(node)
    nodes.insert(-3, node("Add", ["s1", "start"], ["limit"]))
    nodes[-3].input[1] = "limit"
    constants = {"table": f32(rows, 4), "start": np.array(first), "step": np.array(1)}
    module = at_other_sizes(
        nodes, ["N", "T", 4], INDICES | constants, [(2, 8, 4), (3, 5, 4), (1, 1, 4)]
    )
    assert symbols(module) == [["batch", "T", ""]]
    assert mnemonics(module).count("nn.crop") == 1


def test_a_longer_input_than_a_table_is_named(node, build, tmp_path):
    import compiler

    constants = INDICES | {"table": f32(9, 4), "start": np.array(0), "step": np.array(1)}
    model = build(position_nodes(node), {"x": (FLOAT, ["N", "T", 4])}, ["y"], constants)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    program = compiler.compile(path)
    program.run({"x": f32(2, 9, 4)})
    with pytest.raises(OctetError, match="too long for table: it has 9 entries, but 10 are asked"):
        program.run({"x": f32(2, 10, 4)})


def test_position_ids_cut_from_a_buffer(node, at_other_sizes):
    # Hugging Face keeps arange(512) as a buffer [1, 512].
    nodes = [
        *shape_parts(node, 1),
        node("Slice", ["ids", "zero", "d1", "one"], ["positions"]),
        node("Gather", ["table", "positions"], ["p"]),
        node("Add", ["x", "p"], ["y"]),
    ]
    constants = {"ids": np.arange(512)[None], "table": f32(512, 4), "one": i64(1)}
    at_other_sizes(nodes, ["N", "T", 4], INDICES | constants, [(2, 7, 4), (1, 300, 4)])


def test_a_tensor_expanded_to_an_input(node, at_other_sizes):
    nodes = [
        *shape_parts(node, 0, 1),
        node("Concat", ["d0", "d1", "width"], ["target"], axis=0),
        node("Expand", ["token", "target"], ["t"]),
        node("Concat", ["x", "t"], ["y"], axis=2),
    ]
    constants = INDICES | {"token": f32(1, 1, 3), "width": i64(3)}
    module = at_other_sizes(nodes, ["N", "T", 4], constants, [(2, 7, 4), (3, 1, 4)])
    assert "nn.expand" in mnemonics(module)


def test_a_constant_of_the_size_of_an_input(node, at_other_sizes):
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("Concat", ["x", "zeros"], ["y"], axis=2),
    ]
    at_other_sizes(nodes, ["N", "T", 4], {}, [(2, 7, 4), (3, 1, 4), (2, 300, 4)])


def test_indices_used_as_numbers(node, at_other_sizes):
    nodes = [
        *shape_parts(node, 1),
        node("Range", ["start", "s1", "step"], ["positions"]),
        node("Cast", ["positions"], ["numbers"], to=1),
        node("Mul", ["x", "numbers"], ["y"]),
    ]
    constants = {"start": np.array(3), "step": np.array(2)}
    nodes.insert(-3, node("Mul", ["s1", "step"], ["span"]))
    nodes.insert(-3, node("Add", ["span", "start"], ["limit"]))
    nodes[-3].input[1] = "limit"
    at_other_sizes(nodes, ["N", "T"], INDICES | constants, [(2, 7), (3, 1), (2, 200)])


@pytest.mark.parametrize("upper", [0, 1])
def test_a_triangle_of_the_size_of_an_input(node, at_other_sizes, upper):
    nodes = [
        *shape_parts(node, 1),
        node("Concat", ["d1", "d1"], ["shape2"], axis=0),
        node("ConstantOfShape", ["shape2"], ["zeros"]),
        node("Add", ["zeros", "one"], ["ones"]),
        node("Trilu", ["ones"], ["t"], upper=upper),
        node("MatMul", ["x", "t"], ["y"]),
    ]
    constants = INDICES | {"one": np.array(1, FLOAT)}
    at_other_sizes(nodes, ["N", "T"], constants, [(2, 7), (3, 1), (2, 140)])


def test_symbols_default_to_a_length_at_which_ops_matter(node, build, context):
    model = build([node("Relu", ["x"], ["y"])], {"x": (FLOAT, ["N", "T"])}, ["y"])
    assert "tensor<1x128xf32>" in str(import_onnx(model, context))


# --- resolving inputs -----------------------------------------------------------------------


def test_leading_symbols_are_one_batch():
    sizes = resolve_inputs([DeclaredInput("a", ("N", 3)), DeclaredInput("b", ("M", "N"))], {})
    assert sizes.by_name == {"a": ("batch", 3), "b": ("batch", "batch")}
    assert not sizes.implied_batch


def test_leading_symbols_with_other_defaults_stay_apart():
    sizes = resolve_inputs(
        [DeclaredInput("a", ("N", 3)), DeclaredInput("b", ("M", 2))], {"a": [1, 3], "b": [5, 2]}
    )
    assert sizes.by_name == {"a": ("batch", 3), "b": (5, 2)}


def test_one_fixed_size_in_front_implies_no_batch():
    sizes = resolve_inputs([DeclaredInput("a", (1, 3)), DeclaredInput("b", (4, 3))], {})
    assert sizes.assignments == ({},)


def test_unnamed_sizes_are_symbols_of_their_own():
    sizes = resolve_inputs([DeclaredInput("a", (None, None, None))], {})
    assert sizes.by_name == {"a": ("batch", "a.1", "a.2")}
    assert all(len(set(values.values())) == 3 for values in sizes.assignments[1:])


def test_a_later_size_called_batch_is_not_the_batch():
    sizes = resolve_inputs([DeclaredInput("a", ("N", "batch"))], {})
    assert sizes.by_name["a"][0] == "batch" != sizes.by_name["a"][1]
