"""MNIST and FashionMNIST, as published: gzipped IDX files."""

import gzip
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.datasets import MNIST, FashionMNIST
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from foolflow.data.splits import Split, check_split
from foolflow.errors import InvalidInput


def read(dataset: Mapping[str, Any], raw: Path) -> tuple[Split, Split]:
    """(train, test). Raises InvalidInput if a file is missing, damaged or of another form."""
    classes = MNIST.classes if dataset["source"] == "mnist" else FashionMNIST.classes
    names = tuple(name.split(" - ")[0] for name in classes)  # MNIST's read "0 - zero"

    def read_part(part: str) -> Split:
        images = _read_idx(raw / f"{part}-images-idx3-ubyte.gz")[:, None]
        labels = _read_idx(raw / f"{part}-labels-idx1-ubyte.gz").astype(np.int64)
        return check_split(Split(images, labels, names), str(raw / part))

    return read_part("train"), read_part("t10k")


def _read_idx(file: Path) -> np.ndarray:
    try:
        content = gzip.decompress(file.read_bytes())
        with tempfile.NamedTemporaryFile() as plain:  # torchvision reads uncompressed files only
            plain.write(content)
            plain.flush()
            return read_sn3_pascalvincent_tensor(plain.name).numpy()
    except (OSError, EOFError, ValueError, AssertionError, RuntimeError, zlib.error) as error:
        raise InvalidInput(f"{file} cannot be read as an IDX file ({error}); remove it and run again") from error
