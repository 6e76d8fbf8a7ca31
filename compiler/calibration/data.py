"""Calibration data from files, arrays, iterables and readers: batches of inputs, read anew for
each pass, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr

from compiler.array_files import load_arrays
from compiler.calibration.spool import Spool
from compiler.calibration.stored import StoredArray, stored_arrays
from dialects.context import Feed
from dialects.errors import OctetError
from dialects.nn.base import shape_of
from dialects.program import (
    DIMS,
    FIXED_SHAPE,
    argument_attributes,
    body_of,
    input_names,
    main_function,
)

BATCH = 8
"""Samples evaluated together where the program takes any batch size: enough for numpy to work on
long arrays, few enough that the activations of an image network stay small."""


@runtime_checkable
class CalibrationDataReader(Protocol):
    """ONNX Runtime's interface: a batch at each call, then None.

    `rewind()`, if there is one, begins again.
    """

    def get_next(self) -> Mapping[str, np.ndarray] | None: ...


CalibrationData = (
    Mapping[str, np.ndarray]
    | Iterable[Feed]
    | Callable[[], Iterable[Feed]]
    | CalibrationDataReader
    | str
    | Path
)
"""Samples along the first axis by input name, feeds, a function that gives feeds, a reader, or a
path."""


@dataclass(frozen=True)
class Source:
    """Gives the batches from the start, each time it is called."""

    read: Callable[[], Iterable[Feed]]
    batches: int | None = None
    """How many there are, where that is known."""

    def __call__(self) -> Iterable[Feed]:
        return self.read()


@dataclass(frozen=True)
class InputSpec:
    """What calibration data has to know of an input."""

    name: str
    shape: tuple[int, ...]
    free_batch: bool
    """The first dimension may have any size."""


def input_specs(module: ModuleOp) -> list[InputSpec]:
    """The inputs of a program in order."""
    function = main_function(module)
    specs: list[InputSpec] = []
    for name, argument, attributes in zip(
        input_names(function), body_of(function).args, argument_attributes(function), strict=True
    ):
        dims = attributes.get(DIMS)
        named = not isinstance(dims, ArrayAttr) or (
            len(dims) > 0 and isinstance(first := dims.data[0], StringAttr) and bool(first.data)
        )
        free = named and FIXED_SHAPE not in module.attributes
        specs.append(InputSpec(name, shape_of(argument), free))
    return specs


def open_calibration_data(source: CalibrationData, module: ModuleOp) -> Source:
    """The batches of `source`. Those of a source that can be read only once are kept in a temporary
    file while they are read. Raises OctetError for data that does not fit the program."""
    specs = input_specs(module)
    if isinstance(source, (str, Path)):
        return _from_path(Path(source), specs)
    if isinstance(source, Mapping):
        return _from_arrays(cast(Mapping[str, np.ndarray], source), specs, "calibration data")
    if isinstance(source, np.ndarray):
        return _from_arrays({_only(specs, "an array"): source}, specs, "calibration data")
    if isinstance(source, CalibrationDataReader):
        return _from_reader(source)
    if callable(source):
        return Source(lambda: _feeds(source()))
    if not isinstance(source, Iterable):
        raise OctetError(
            "calibration data should be a mapping of input names to arrays, an iterable of such "
            "mappings, a function that returns one, an object with get_next(), or a path; got "
            f"{type(source).__name__}"
        )
    if isinstance(source, Iterator):
        return Source(Spool(_feeds(source)))
    return Source(lambda: _feeds(source), len(source) if isinstance(source, Sized) else None)


def _from_reader(reader: CalibrationDataReader) -> Source:
    def feeds() -> Iterator[Feed]:
        return _feeds(iter(reader.get_next, None))

    rewind = getattr(reader, "rewind", None)
    if not callable(rewind):
        return Source(Spool(feeds()))

    def again() -> Iterator[Feed]:
        rewind()
        return feeds()

    return Source(again)


def _feeds(batches: Iterable[Any]) -> Iterator[Feed]:
    for index, feed in enumerate(batches):
        if not isinstance(feed, Mapping):
            raise OctetError(
                f"calibration batch {index} should map input names to arrays, got a "
                f"{type(feed).__name__}"
            )
        yield cast(Feed, feed)


# --- files ----------------------------------------------------------------------------------


def _from_path(path: Path, specs: list[InputSpec]) -> Source:
    if path.is_dir():
        return _from_folder(path, specs)
    stored = stored_arrays(path)
    if isinstance(stored, StoredArray):
        stored = {_only(specs, f"{path}, a single array,"): stored}
    return _from_arrays(stored, specs, str(path))


def _from_folder(folder: Path, specs: list[InputSpec]) -> Source:
    """One sample or batch per file, in the order of their names."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".npy", ".npz"))
    if not files:
        raise OctetError(f"{folder}: no .npy and no .npz file to calibrate with")

    def feeds() -> Iterator[Feed]:
        for file in files:
            loaded = load_arrays(file)
            if isinstance(loaded, np.ndarray):
                loaded = {_only(specs, f"{file}, a single array,"): loaded}
            yield {name: _with_batch_axis(array, name, specs) for name, array in loaded.items()}

    return Source(feeds, len(files))


def _with_batch_axis(array: np.ndarray, name: str, specs: list[InputSpec]) -> np.ndarray:
    """A file may hold one sample without the batch axis."""
    for spec in specs:
        if spec.name == name and array.ndim == len(spec.shape) - 1:
            return array[np.newaxis]
    return array


# --- arrays ---------------------------------------------------------------------------------


def _from_arrays(
    arrays: Mapping[str, np.ndarray | StoredArray], specs: list[InputSpec], source: str
) -> Source:
    """Batches cut from arrays with samples along the first axis."""
    names = [spec.name for spec in specs]
    for name in arrays:
        if name not in names:
            raise OctetError(
                f"{source}: '{name}' is not an input of the program; its inputs are "
                f"{', '.join(names)}"
            )
    checked: dict[str, Samples] = {}
    for spec in specs:
        if spec.name not in arrays:
            raise OctetError(f"{source}: input '{spec.name}' is missing")
        given = arrays[spec.name]
        array = given if isinstance(given, StoredArray) else _Held(np.asarray(given))
        if array.ndim not in (len(spec.shape), len(spec.shape) + 1) or array.ndim == 0:
            raise OctetError(
                f"{source}: '{spec.name}' has shape {list(array.shape)}; expected samples of "
                f"{list(spec.shape[1:])} along a first axis"
            )
        checked[spec.name] = array
    samples = {name: len(array) for name, array in checked.items()}
    if len(set(samples.values())) > 1:
        raise OctetError(
            f"{source}: the inputs have different numbers of samples: "
            + ", ".join(f"'{name}' {count}" for name, count in samples.items())
        )
    count = next(iter(samples.values()), 0)
    if count == 0:
        raise OctetError(f"{source}: no samples to calibrate with")
    return _batches(checked, specs, count, source)


@dataclass(frozen=True)
class _Held:
    """An array in memory, as `StoredArray` is one in a file."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    def __len__(self) -> int:
        return len(self.array)

    def pieces(self, size: int) -> Iterator[np.ndarray]:
        return (self.array[at : at + size] for at in range(0, len(self), size))


Samples = StoredArray | _Held


def _batches(
    arrays: Mapping[str, Samples], specs: list[InputSpec], count: int, source: str
) -> Source:
    def read(size: int) -> Iterator[Feed]:
        pieces = [array.pieces(size) for array in arrays.values()]
        return (dict(zip(arrays, batch, strict=True)) for batch in zip(*pieces, strict=True))

    if all(arrays[spec.name].ndim == len(spec.shape) + 1 for spec in specs):
        return Source(
            lambda: ({name: one[0] for name, one in feed.items()} for feed in read(1)), count
        )
    size = BATCH
    for spec in specs:
        if arrays[spec.name].ndim == len(spec.shape) + 1:
            raise OctetError(
                f"{source}: '{spec.name}' has a batch axis beside the axis of samples, other "
                "inputs do not; give all of them one or the other"
            )
        if not spec.free_batch:
            size = spec.shape[0]
            if size == 0 or count % size:
                raise OctetError(
                    f"{source}: '{spec.name}' has {count} samples, but the program takes batches "
                    f"of exactly {size}; give a multiple of that"
                )
    return Source(lambda: read(size), -(-count // size))


def _only(specs: list[InputSpec], what: str) -> str:
    if len(specs) != 1:
        raise OctetError(
            f"{what} cannot calibrate a program with {len(specs)} inputs: give a .npz with "
            f"{', '.join(spec.name for spec in specs)}"
        )
    return specs[0].name
