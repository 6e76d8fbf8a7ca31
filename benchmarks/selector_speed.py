"""How long selectors take on a large graph.

    python benchmarks/selector_speed.py                2,000 ops with residual links
    python benchmarks/selector_speed.py --ops 20000

Processor time, the least of several runs. Every run reads the selector and walks the graph anew.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence

from xdsl.dialects.builtin import TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from dialects.nn.base import NnOp
from dialects.nn.elementwise import AddOp, ReluOp, SigmoidOp
from passes.placement.selectors import select

RUNS = 10


def random_graph(count: int, seed: int) -> list[NnOp]:
    """`count` ops in order: chains of unary ops, and additions of what was computed before.

    Most operands come from the last few ops, as in a network; some from far back.
    """
    choose = random.Random(seed)
    block = Block(arg_types=[TensorType(f32, [1, 2])])
    values: list[SSAValue] = [block.args[0]]
    ops: list[NnOp] = []
    for index in range(count):
        near = values[-choose.randint(1, min(4, len(values)))]
        if choose.random() < 0.3:
            op = AddOp.make(near, choose.choice(values), layer=f"add{index}")
        else:
            op = choose.choice((ReluOp, SigmoidOp)).make(near, layer=f"unary{index}")
        block.add_op(op)
        ops.append(op)
        values.append(op.results[0])
    block.add_op(ReturnOp(values[-1]))
    FuncOp("main", ([block.args[0].type], [values[-1].type]), Region(block))
    return ops


def selectors_of(ops: Sequence[NnOp]) -> list[str]:
    """One of each form, with operands from both ends of the graph."""
    first, last = ops[0].names[0], ops[-1].names[0]
    return [
        "type:add",
        f"name:{last}",
        "glob:add*",
        "re:(add|unary).*7",
        "index:[3:17]",
        "last(2, type:add)",
        f"between(name:{first}, name:{last})",
        f"between(type:add, name:{last})",
        f"users(name:{first})",
        "producers(type:add)",
        "pattern(add->sigmoid->add)",
        "pattern(add->sigmoid->add)[1:]",
        "pattern(*->*->*->*)[:, 0]",
        "not type:add and not glob:*7 or first(2)",
    ]


def milliseconds(selector: str, ops: Sequence[NnOp]) -> float:
    """The least processor time of RUNS runs."""
    times: list[int] = []
    for _ in range(RUNS):
        start = time.process_time_ns()
        select(selector, ops)
        times.append(time.process_time_ns() - start)
    return min(times) / 1e6


def main(arguments: list[str] | None = None) -> int:
    """Prints a line per selector."""
    parser = argparse.ArgumentParser(description="How long selectors take on a large graph.")
    parser.add_argument("--ops", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    ops = random_graph(args.ops, args.seed)
    print(f"{args.ops} ops, {sum(len(op.operands) for op in ops)} edges")
    for selector in selectors_of(ops):
        found = len(select(selector, ops))
        print(f"{milliseconds(selector, ops):8.2f} ms  {found:6} ops  {selector}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
