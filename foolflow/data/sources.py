"""The files and the reader of each source of images. The rules import this module, so it has no heavy imports."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foolflow.data.arrays import array_names, pairs_of
from foolflow.data.layout import class_folder_names, image_files, parts_of
from foolflow.errors import InvalidInput

SPLITS = ("train", "val", "test")

IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

# The module in foolflow/data/readers that reads each source. Its `read(dataset, raw)` returns the splits that
# the source has, by name.
READERS = {
    "mnist": "idx",
    "fashion_mnist": "idx",
    "cifar10": "cifar10",
    "digits": "digits",
    "folder": "folder",
    "npz": "npz",
}


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


def splits_of(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the splits of a data set: train, val and test, or test alone if it is only for evaluation.

    A data set is only for evaluation if no val images are set aside and its folder or npz file has none.
    """
    try:
        if dataset["source"] == "folder":
            return SPLITS if "train" in parts_of(dataset) else ("test",)
        if dataset["source"] == "npz":
            return SPLITS if "train" in pairs_of(dataset, array_names(Path(dataset["path"]))) else ("test",)
    except InvalidInput:  # the job reports it
        pass
    return SPLITS if "val" in dataset else ("test",)


def source_files(dataset: Mapping[str, Any]) -> list[str]:
    """Return the user's files that a data set is read from; none for `digits`, which come with scikit-learn."""
    if dataset["source"] == "npz":
        return [dataset["path"]]
    if dataset["source"] == "folder":
        return [file for folder in source_folders(dataset) for file in image_files(folder)] or [dataset["path"]]
    return []


def source_folders(dataset: Mapping[str, Any]) -> list[str]:
    """Return the folders below which a user's images lie: `path`, or the folders of the splits in it."""
    try:
        return [str(folder) for folder in parts_of(dataset).values()]
    except InvalidInput:  # the job reports it
        return [dataset["path"]]


def class_folders_of(dataset: Mapping[str, Any]) -> list[str]:
    """Return the names of the class folders of a user's folder; none for other sources."""
    try:
        return class_folder_names(dataset) if dataset["source"] == "folder" else []
    except InvalidInput:  # the job reports it
        return []
