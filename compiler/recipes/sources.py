"""The effective recipe: files first, then flags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.recipes.flags import recipe_of_options
from compiler.recipes.ignored import FIELDS, ignored_scope_recipe
from compiler.recipes.json_file import as_object, read_json
from compiler.recipes.recipe import Recipe
from compiler.recipes.toml_file import read_recipe_file
from dialects.errors import OctetError

FILE_OPTIONS = ("recipe", "tensor_quant_overrides", "ignored_scope")
"""Compile options that are files, in the order in which their rules apply."""

OVERRIDES, IGNORED = "TensorQuantOverrides", "ignored_scope"
"""Keys under which the objects of other tools may stand in a JSON file."""


def effective_recipe(options: Mapping[str, Any], model: Path) -> Recipe:
    """The recipe that compile options ask for. `model` is where tensors are looked up by name.

    In this order, each later one over the earlier: `recipe`, `tensor_quant_overrides`,
    `ignored_scope`, then the flags. Raises OctetError naming file and line, or the flag.
    """
    files = {name: Path(options[name]) for name in FILE_OPTIONS if options.get(name) is not None}
    flags = {name: value for name, value in options.items() if name not in FILE_OPTIONS}
    recipe = Recipe()
    if (path := files.get("recipe")) is not None:
        if path.suffix not in (".toml", ".json"):
            raise OctetError(f"{path}: a recipe is a .toml file, or another tool's .json file")
        recipe = (
            read_recipe_file(path)
            if path.suffix == ".toml"
            else _read_other(path, read_json(path), model, flags, recipe)
        )
    if (path := files.get("tensor_quant_overrides")) is not None:
        contents = read_json(path)
        contents = contents if OVERRIDES in contents else {OVERRIDES: contents}
        recipe = recipe.then(_read_other(path, contents, model, flags, recipe))
    if (path := files.get("ignored_scope")) is not None:
        contents = read_json(path)
        contents = contents if IGNORED in contents else {IGNORED: contents}
        recipe = recipe.then(_read_other(path, contents, model, flags, recipe))
    return recipe.then(recipe_of_options(flags, recipe))


def _read_other(
    path: Path,
    contents: Mapping[str, Any],
    model: Path,
    flags: Mapping[str, Any],
    recipe: Recipe,
) -> Recipe:
    """What another tool wrote: one of its objects, or both under their names."""
    if not contents.keys() & {OVERRIDES, IGNORED}:
        is_scope = bool(contents) and contents.keys() <= set(FIELDS)
        contents = {IGNORED if is_scope else OVERRIDES: contents}
    for key in contents:
        if key not in (OVERRIDES, IGNORED):
            raise OctetError(f"{path.name}: '{key}' is neither '{OVERRIDES}' nor '{IGNORED}'")
    found = Recipe()
    if OVERRIDES in contents:
        from compiler.recipes.onnx_tensors import tensors_of
        from compiler.recipes.overrides import tensor_overrides_recipe

        given = {**recipe.settings, **flags}
        storages = {
            "activation": given.get("activation_type") or "u8",
            "weight": given.get("weight_type") or "s8",
        }
        table = as_object(contents[OVERRIDES], path.name)
        found = tensor_overrides_recipe(table, tensors_of(model), path.name, storages)
    if IGNORED in contents:
        scope = as_object(contents[IGNORED], path.name)
        found = found.then(ignored_scope_recipe(scope, path.name))
    return found
