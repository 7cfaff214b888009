"""MNIST and FashionMNIST as published: gzipped IDX files."""

import gzip
import struct
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.datasets import MNIST, FashionMNIST

from foolflow.data.splits import Split, check_split
from foolflow.errors import InvalidInput

LIMIT = 100_000_000  # bytes that a file may decompress to; the largest published one has 47,040,016


def read(dataset: Mapping[str, Any], raw: Path) -> dict[str, Split]:
    """Return `train` and `test`. Raises InvalidInput if a file is missing, damaged or has another format."""
    classes = MNIST.classes if dataset["source"] == "mnist" else FashionMNIST.classes
    names = tuple(name.split(" - ")[0] for name in classes)  # MNIST's read "0 - zero"

    def read_part(part: str) -> Split:
        images = _read_idx(raw / f"{part}-images-idx3-ubyte.gz", dimensions=3)[:, None]
        labels = _read_idx(raw / f"{part}-labels-idx1-ubyte.gz", dimensions=1).astype(np.int64)
        return check_split(Split(images, labels, names), str(raw / part))

    return {"train": read_part("train"), "test": read_part("t10k")}


def _read_idx(file: Path, dimensions: int) -> np.ndarray:
    """Return the byte array. Its header: two zeros, the type (8: bytes), the number of dimensions, each as 4 bytes."""
    try:
        with gzip.open(file) as opened:
            content = opened.read(LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(file, error) from error
    start = 4 + 4 * dimensions
    if len(content) > LIMIT:
        raise _unreadable(file, f"it decompresses to more than {LIMIT:,} bytes")
    if len(content) < start or content[:4] != bytes([0, 0, 8, dimensions]):
        raise _unreadable(file, f"its header is not that of a byte array with {dimensions} dimension(s)")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != prod(shape):
        raise _unreadable(file, f"its header declares {prod(shape):,} bytes, but {len(content) - start:,} follow")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unreadable(file: Path, reason: object) -> InvalidInput:
    return InvalidInput(f"{file} cannot be read as an IDX file ({reason}); remove it and run again")
