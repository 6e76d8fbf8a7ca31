"""Matrix products of float activations with weights in few bits."""

from __future__ import annotations

import numpy as np

from runtime.emission.site import CallSite, emits
from runtime.kernels.abi import Call
from runtime.kernels.matmul_dynamic import matmul_dynamic_calls
from runtime.kernels.matmul_nbits import matmul_nbits_calls
from runtime.kernels.nbits_packing import Blocks


@emits("matmul_dynamic")
def emit_matmul_dynamic(site: CallSite) -> list[Call]:
    site.memory.scratch.reuse()
    return matmul_dynamic_calls(
        site.view("a"),
        site.array("b"),
        np.asarray(site.required_params("b").scale),
        site.optional_array("bias"),
        site.result(),
        bounds=site.activation,
        isa=site.isa,
        memory=site.memory.scratch.take,
        residual=site.optional_view("residual"),
    )


@emits("matmul_nbits")
def emit_matmul_nbits(site: CallSite) -> list[Call]:
    site.memory.scratch.reuse()
    options = site.options
    weights = Blocks(
        site.array("b"),
        site.array("scales"),
        site.optional_array("zero_points"),
        bits=options["bits"],
        size=options["block_size"],
    )
    return matmul_nbits_calls(
        site.view("a"),
        weights,
        site.optional_array("bias"),
        site.result(),
        bounds=site.activation,
        isa=site.isa,
        memory=site.memory.scratch.take,
        residual=site.optional_view("residual"),
    )
