"""Read and write safetensors files in slices, so that memory grows with the slice and not with the file."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from foolflow.jobs.files import whole_file

# The format's names of the types that we store.
TYPES = {
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
    "I64": np.dtype("<i8"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
NAMES = {dtype: name for name, dtype in TYPES.items()}

# The type and the shape of each tensor of a file.
Layout = Mapping[str, tuple[Any, tuple[int, ...]]]


def map_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the tensors and the metadata of a file. The tensors are mapped into memory read-only.

    Reading a slice of a tensor reads only that part of the file.
    Raises OSError if the file cannot be read, and SafetensorError if it is damaged or holds other types than `TYPES`.
    """
    with safe_open(path, framework="numpy"):  # checks the whole header
        pass
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    return {name: _mapped(path, 8 + length, entry) for name, entry in header.items()}, metadata


def _mapped(path: Path, start: int, entry: Mapping[str, Any]) -> np.ndarray:
    if entry["dtype"] not in TYPES:
        raise SafetensorError(f"a tensor of type {entry['dtype']}; known are {', '.join(TYPES)}")
    dtype, shape = TYPES[entry["dtype"]], tuple(entry["shape"])
    if prod(shape) == 0:  # nothing can be mapped
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", start + entry["data_offsets"][0], shape)


class TensorWriter:
    """Writes rows of the tensors of one file, in any order."""

    def __init__(self, descriptor: int, layout: Layout, starts: Mapping[str, int]):
        self._descriptor, self._layout, self._starts = descriptor, layout, starts

    def write(self, name: str, first: int, rows: np.ndarray) -> None:
        """Write `rows` at index `first` of a tensor. Their type and shape must be those of the layout."""
        dtype, shape = self._layout[name]
        if rows.dtype != dtype or rows.shape[1:] != shape[1:] or first + len(rows) > shape[0]:
            raise ValueError(f"{name}: {rows.dtype} {rows.shape} at {first} does not fit {dtype} {shape}")
        content = memoryview(rows.tobytes())
        offset = self._starts[name] + first * prod(shape[1:]) * rows.dtype.itemsize
        while content:
            written = os.pwrite(self._descriptor, content, offset)
            content, offset = content[written:], offset + written


@contextmanager
def write_tensors(path: Path, layout: Layout, metadata: Mapping[str, str] | None = None) -> Iterator[TensorWriter]:
    """Create a safetensors file of known shapes, to be written row by row. Rows that are not written are zero.

    layout: the type and the shape of each tensor.  metadata: text by name.
    Raises InvalidInput, naming `path`, if the disk is full or the folder is not writable.
    """
    layout = {name: (np.dtype(dtype), tuple(shape)) for name, (dtype, shape) in layout.items()}
    # Large types first, as safetensors itself sorts them: every tensor is aligned.
    order = sorted(layout, key=lambda name: (-layout[name][0].itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    starts = {}
    for name in order:
        dtype, shape = layout[name]
        starts[name], end = end, end + prod(shape) * dtype.itemsize
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [starts[name], end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.flush()
        os.ftruncate(file.fileno(), 8 + len(text) + end)
        yield TensorWriter(file.fileno(), layout, {name: 8 + len(text) + start for name, start in starts.items()})
