"""A selector picks corresponding ops before and after fusing.

An op that was picked in the model as imported is found again by its name: what the same selector
picks after stage `simplify` should be the ops that answer to any of those names.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.pipeline import parse_pipeline
from compiler.stages import STAGES
from dialects.nn.base import NnOp
from dialects.nn.elementwise import AddOp, ClipOp, ReluOp, SigmoidOp
from dialects.nn.movement import TransposeOp
from dialects.nn.normalization import BatchNormOp, SoftmaxOp
from passes.placement.selectors import select, selectable_ops

Build = Callable[..., Any]

SIMPLIFY = next(",".join(stage.passes) for stage in STAGES if stage.name == "simplify")


def random_network(network: Build, seed: int, *, norms: bool, moves: bool = True) -> Any:
    """Blocks of a convolution with what may be fused into it, and other ops between them."""
    choose = random.Random(seed)
    net = network([1, 2, 4, 4], seed=seed)
    values = [net.x]
    for index in range(choose.randint(2, 8)):
        x, block = values[-1], f"/block{index}"
        match choose.randrange(8):
            case 0:
                x = net.op(SigmoidOp, x, layer=f"{block}/Sigmoid")
            case 1:
                x = net.op(SoftmaxOp, x, axis=1, layer=f"{block}/Softmax")
            case 2 if moves:
                x = net.op(TransposeOp, x, permutation=[0, 1, 3, 2], layer=f"{block}/Transpose")
            case _:
                x = net.conv(x, 2, 3, f"{block}/Conv")
                if norms and choose.random() < 0.4:
                    four = [net.constant(net.random.uniform(0.5, 1.5, size=2)) for _ in range(4)]
                    x = net.op(BatchNormOp, x, *four, epsilon=1e-5, layer=f"{block}/Norm")
                if choose.random() < 0.5:
                    x = net.op(AddOp, x, choose.choice(values), layer=f"{block}/Add")
                if choose.random() < 0.5:
                    x = net.op(ReluOp, x, layer=f"{block}/Relu")
                elif choose.random() < 0.5:
                    x = net.op(ClipOp, x, min=-1.0, max=1.0, layer=f"{block}/Clip")
        values.append(x)
    return net.outputs(values[-1])


def simplified(net: Any) -> list[NnOp]:
    for one in parse_pipeline(SIMPLIFY):
        one.apply(net.ctx, net.module)
    return selectable_ops(net.module)


def picked(selector: str, ops: list[NnOp]) -> list[NnOp]:
    """As `select`; nothing where nothing matches, which is an error there."""
    return select(selector, ops, unmatched=lambda _: None)


def assert_corresponds(network: Build, seed: int, selectors: list[str], **more: Any) -> None:
    net = random_network(network, seed, **more)
    before = [
        {name for op in picked(selector, selectable_ops(net.module)) for name in op.names}
        for selector in selectors
    ]
    after = simplified(net)
    for selector, names in zip(selectors, before, strict=True):
        expected = [op for op in after if names.intersection(op.names)]
        assert picked(selector, after) == expected, selector


SEEDS = st.integers(0, 100_000)
NAMES = st.builds(
    "/block{}/{}".format,
    st.integers(0, 7),
    st.sampled_from(("Conv", "Norm", "Add", "Relu", "Clip", "Sigmoid", "Transpose")),
)
ATOMS = (
    st.builds("name:{}".format, NAMES)
    | st.builds("glob:/block{}/*".format, st.integers(0, 7))
    | st.sampled_from(("re:/block[0-3]/(Conv|Relu)", "glob:*/Add", r"re:.*(Clip|Softmax)"))
    | st.sampled_from(("type:conv", "type:sigmoid", "type:softmax"))
)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, atoms=st.lists(ATOMS, min_size=1, max_size=4))
def test_names_and_types(network: Build, seed: int, atoms: list[str]) -> None:
    assert_corresponds(network, seed, [*atoms, " or ".join(atoms)], norms=True)


def patterns(types: tuple[str, ...]) -> st.SearchStrategy[str]:
    chains = st.lists(st.sampled_from(types), min_size=1, max_size=4).map("->".join)
    slices = st.sampled_from(("", "[:, 0]", "[:, -1]", "[0:]"))
    return st.builds("pattern({}){}".format, chains, slices)


STEPS = ("conv", "conv", "relu", "clip", "add", "sigmoid", "softmax", "conv|sigmoid", "relu|add")


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, selectors=st.lists(patterns(STEPS), min_size=1, max_size=8))
def test_patterns(network: Build, seed: int, selectors: list[str]) -> None:
    assert_corresponds(network, seed, selectors, norms=True)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, selectors=st.lists(patterns((*STEPS, "*")), min_size=1, max_size=8))
def test_wildcards(network: Build, seed: int, selectors: list[str]) -> None:
    """A batch norm that was folded leaves no part behind that `*` could stand for."""
    assert_corresponds(network, seed, selectors, norms=False)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, first=ATOMS, second=ATOMS)
def test_between_and_and_lose_nothing(network: Build, seed: int, first: str, second: str) -> None:
    """Fusing brings ops together, so that more lies between two and more is one of both.

    Without transposes, which simplifying moves elsewhere.
    """
    net = random_network(network, seed, norms=True, moves=False)
    for selector in (f"between({first}, {second})", f"{first} and {second}"):
        ops = selectable_ops(net.module)
        names = {name for op in picked(selector, ops) for name in op.names}
        expected = {name for op in simplified(net) for name in op.names if names & set(op.names)}
        after = picked(selector, selectable_ops(net.module))
        assert expected <= {name for op in after for name in op.names}
        net = random_network(network, seed, norms=True, moves=False)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, name=NAMES)
def test_not_is_the_rest(network: Build, seed: int, name: str) -> None:
    ops = simplified(random_network(network, seed, norms=True))
    named = picked(f"name:{name}", ops)
    assert picked(f"not name:{name}", ops) == [op for op in ops if op not in named]


def test_the_networks_fuse(network: Build) -> None:
    """The properties above would hold for a simplification that does nothing."""
    fused = 0
    for seed in range(20):
        net = random_network(network, seed, norms=True)
        before = len(selectable_ops(net.module))
        fused += before - len(simplified(net))
    assert fused > 40
