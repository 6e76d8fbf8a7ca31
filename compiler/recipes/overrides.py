"""ONNX Runtime's TensorQuantOverrides: how single tensors are quantized, as JSON.

    {"conv1_out": [{"quant_type": "QInt8", "scale": 0.1, "zero_point": 3}],
     "conv1.weight": [{"axis": 0, "symmetric": true}]}

A tensor has one dictionary, or for a weight quantized per channel one for each channel.
Source: the documentation of `extra_options` in onnxruntime/quantization/quantize.py, and the
checks in tensor_quant_overrides.py beside it (ONNX Runtime 1.20).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.pipeline import did_you_mean
from compiler.recipes.json_file import as_object
from compiler.recipes.onnx_tensors import OnnxTensors
from compiler.recipes.recipe import Recipe, name_selector
from dialects.errors import OctetError
from passes.placement.rules import RESULT, WEIGHT, Rule
from passes.placement.selectors import near

STORAGES = {"QInt8": "s8", "QUInt8": "u8"}
OTHER_TYPES = ("QFLOAT8E4M3FN", "QInt16", "QUInt16", "QInt4", "QUInt4")

KEYS = (
    *("quant_type", "scale", "zero_point", "symmetric", "reduce_range", "rmin", "rmax", "axis"),
    "convert",
)


def tensor_overrides_recipe(
    overrides: Mapping[str, Any],
    tensors: OnnxTensors,
    source: str,
    storages: Mapping[str, str],
) -> Recipe:
    """Rules that quantize the tensors of a model as `overrides` says.

    `storages` holds the types that "activation" and "weight" have where nothing is said. Raises
    OctetError naming the tensor and the key for what has no counterpart here.
    """
    rules: list[Rule] = []
    for name, value in overrides.items():
        where = f"{source} {name}"
        entries = _entries(value, where)
        if not any(entries):
            continue
        try:
            rules += _rules(name, entries, tensors, storages, where)
        except OctetError as error:
            raise OctetError(f"{source}: tensor '{name}': {error}") from None
    return Recipe(rules=tuple(rules))


def _entries(value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise OctetError(f"{where}: expected a list of objects, one per channel or one in all")
    return [as_object(entry, where) for entry in value]


def _rules(
    name: str,
    entries: Sequence[dict[str, Any]],
    tensors: OnnxTensors,
    storages: Mapping[str, str],
    where: str,
) -> list[Rule]:
    for entry in entries:
        _check_keys(entry)
    if name in tensors.shapes:
        return _weight_rules(name, entries, tensors, storages["weight"], where)
    if len(entries) > 1 or "axis" in entries[0]:
        raise OctetError("it is no weight, and only weights have scales per channel")
    scheme = _scheme(entries[0], storages["activation"])
    if name in tensors.inputs:
        return [Rule.of({"input": name, "origin": where, **scheme})]
    if name not in tensors.producers:
        raise OctetError(f"the model has no such tensor{near(name, tensors.names)}")
    layer, position = tensors.producers[name]
    if position != 0:
        raise OctetError(f"it is result {position} of '{layer}'; only first results are quantized")
    selector = name_selector(layer)
    return [Rule.of({"select": selector, "tensor": RESULT, "origin": where, **scheme})]


def _weight_rules(
    name: str,
    entries: Sequence[dict[str, Any]],
    tensors: OnnxTensors,
    storage: str,
    where: str,
) -> list[Rule]:
    """One rule for each layer that uses the weight."""
    uses = tensors.uses[name]
    if not uses:
        raise OctetError("no layer uses it")
    rules: list[Rule] = []
    for use in uses:
        if use.channel_axis is None:
            what = "bias" if use.position == 2 else f"operand {use.position}"
            hint = "; a bias has 32 bits, at the scale of its sums" if what == "bias" else ""
            raise OctetError(f"it is the {what} of {use.operator} '{use.layer}', no weight{hint}")
        scheme = _channel_scheme(entries, tensors.shapes[name], use.channel_axis, storage)
        selector = name_selector(use.layer)
        rules.append(Rule.of({"select": selector, "tensor": WEIGHT, "origin": where, **scheme}))
    return rules


def _channel_scheme(
    entries: Sequence[dict[str, Any]], shape: tuple[int, ...], channel_axis: int, storage: str
) -> dict[str, Any]:
    first = entries[0]
    if "axis" not in first:
        if len(entries) > 1:
            raise OctetError("it has several dictionaries: the first needs an 'axis'")
        return {**_scheme(first, storage), "per_channel": False}
    axis = first["axis"]
    if not isinstance(axis, int) or isinstance(axis, bool) or not -len(shape) <= axis < len(shape):
        raise OctetError(f"'axis' should be a dimension of {list(shape)}, got {axis!r}")
    if axis % len(shape) != channel_axis:
        raise OctetError(
            f"'axis' is {axis}, but kernels have a scale per output channel, axis {channel_axis}"
        )
    channels = shape[channel_axis]
    if len(entries) not in (1, channels):
        raise OctetError(f"it has {channels} channels, but {len(entries)} dictionaries")
    for entry in entries[1:]:
        for key in ("quant_type", "symmetric", "reduce_range", "axis"):
            if key in entry and entry[key] != first.get(key):
                raise OctetError(f"'{key}' differs between channels")
    if any(key in entry for entry in entries for key in ("rmin", "rmax")):
        raise OctetError("'rmin' and 'rmax' per channel are not supported; give scales")
    scheme = _scheme({key: first[key] for key in first if key != "axis"}, storage)
    if any("scale" in entry or "zero_point" in entry for entry in entries):
        if any("scale" not in entry or "zero_point" not in entry for entry in entries):
            raise OctetError("every channel needs 'scale' and 'zero_point' if one has them")
        if len(entries) != channels:
            raise OctetError(f"it has {channels} channels, but one 'scale'")
        scheme["scale"] = [entry["scale"] for entry in entries]
        scheme["zero_point"] = [entry["zero_point"] for entry in entries]
    return {**scheme, "per_channel": True} if channels > 1 else scheme


def _check_keys(entry: Mapping[str, Any]) -> None:
    for key in entry:
        if key not in KEYS:
            raise OctetError(f"unknown key '{key}'{did_you_mean(key, KEYS)}")
    if "convert" in entry:
        raise OctetError("'convert' has no meaning here: a tensor has one type for all its users")
    for first, second in (("scale", "zero_point"), ("rmin", "rmax")):
        if (first in entry) != (second in entry):
            raise OctetError(f"'{first}' and '{second}' are given together or not at all")


def _scheme(entry: Mapping[str, Any], storage: str) -> dict[str, Any]:
    """The keys of a rule for one dictionary without an axis."""
    scheme: dict[str, Any] = {
        key: entry[key]
        for key in ("scale", "zero_point", "symmetric", "reduce_range")
        if key in entry
    }
    if "scale" in entry:
        for key in ("symmetric", "reduce_range", "rmin"):
            if key in entry:
                raise OctetError(f"'{key}' is invalid beside 'scale' and 'zero_point'")
        scheme["storage"] = storage
    if "quant_type" in entry:
        scheme["storage"] = _storage(entry["quant_type"])
    if "rmin" in entry:
        low, high = entry["rmin"], entry["rmax"]
        if not all(isinstance(bound, int | float) for bound in (low, high)) or low > high:
            raise OctetError(f"'rmin' and 'rmax' should be numbers in order, got {low}, {high}")
        # As there: zero is always expressed.
        scheme["range"] = [min(low, 0.0), max(high, 0.0)]
    return scheme


def _storage(quant_type: Any) -> str:
    name = str(quant_type).removeprefix("QuantType.")
    if name in OTHER_TYPES:
        raise OctetError(f"'quant_type' {name} is not supported; kernels take 8-bit integers")
    if name not in STORAGES:
        raise OctetError(f"'quant_type' should be {' or '.join(STORAGES)}, got {quant_type!r}")
    return STORAGES[name]
