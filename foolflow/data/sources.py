"""The files and the reader of each source of images. The rules import this module, so it has no heavy imports."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

# The module in foolflow/data/readers that reads each source. Its `read(dataset, raw)` returns (train, test or None).
READERS = {
    "mnist": "idx",
    "fashion_mnist": "idx",
    "cifar10": "cifar10",
    "digits": "digits",
    "folder": "folder",
    "npz": "npz",
}


# The suffixes that torchvision's ImageFolder accepts.
IMAGES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Download:
    """The published files of one source.

    mirror_folder: their folder in a data mirror.  files: their paths, relative both to `raw/` and to mirror_folder.
    """

    mirror_folder: str
    files: tuple[str, ...]


DOWNLOADS = {
    "mnist": Download("mnist", IDX_FILES),
    "fashion_mnist": Download("fashion-mnist", IDX_FILES),
    "cifar10": Download(
        ".",
        tuple(
            f"cifar-10-batches-py/{name}"
            for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
        ),
    ),
}


def source_files(dataset: Mapping[str, Any]) -> list[str]:
    """Return the user's files that a data set is read from; none for `digits`, which come with scikit-learn."""
    if dataset["source"] == "npz":
        return [dataset["path"]]
    if dataset["source"] == "folder":
        return image_files(dataset["path"]) or [dataset["path"]]
    return []


def image_files(folder: str) -> list[str]:
    """Return the files below a folder that are read as images. Others, such as notes, are no part of a data set."""
    return sorted(str(file) for file in Path(folder).rglob("*") if file.suffix.lower() in IMAGES and file.is_file())
