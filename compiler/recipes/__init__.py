"""Recipes: what a user asks for, as one list of rules and a few settings, from files and flags.

recipe.py        a recipe, how two are joined, what it sets in which pass, its text
toml_file.py     reading a .toml recipe, with file and line in every message
flags.py         command-line shortcuts, as rules
json_file.py     reading the JSON that other tools write
overrides.py     ONNX Runtime's TensorQuantOverrides, as rules
onnx_tensors.py  where the tensors they name come from
ignored.py       NNCF's IgnoredScope, as rules
sources.py       all of these together, in their order
"""
