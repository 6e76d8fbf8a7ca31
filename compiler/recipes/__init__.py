"""Recipes: what a user asks for, as one list of rules and a few settings, from files and flags.

recipe.py     a recipe, how two are joined, what it sets in which pass, its text
toml_file.py  reading a .toml recipe, with file and line in every message
flags.py      command-line shortcuts, lowered to rules
overrides.py  ONNX Runtime's TensorQuantOverrides
ignored.py    NNCF's IgnoredScope
sources.py    all of these together, in their order
"""
