"""lit's configuration: `lit tests/filecheck` runs every RUN line as a process of its own."""

import os
import sys
from pathlib import Path

import lit.formats

root = Path(__file__).parents[2]
config.name = "Octet"  # noqa: F821  (lit defines `config`)
config.test_source_root = str(Path(__file__).parent)  # noqa: F821
config.test_exec_root = str(root / "build" / "lit")  # noqa: F821
config.test_format = lit.formats.ShTest()  # noqa: F821
config.suffixes = [".mlir"]  # noqa: F821
config.environment["PYTHONPATH"] = str(root)  # noqa: F821
config.environment["PATH"] = os.environ["PATH"]  # noqa: F821
config.substitutions += [  # noqa: F821
    (r"\boctet-opt\b", f"{sys.executable} -m compiler.cli.opt"),
    (r"\bfilecheck\b", f"{sys.executable} -m filecheck"),
]
