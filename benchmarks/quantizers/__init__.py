"""The quantizers whose accuracy is compared: each makes programs of a task, by method.

A quantizer is a function of a task and a folder to work in that gives methods by name; a method,
called, quantizes and gives what runs one batch. It may fail: the table then says how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from accuracy_tasks import Run, Task

Method = Callable[[], Run]
Quantizer = Callable[[Task, Path], Mapping[str, Method]]
