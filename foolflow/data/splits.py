"""One split of a data set, stored as 8-bit images and labels in a safetensors file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from foolflow.errors import InvalidInput, in_one_line
from foolflow.jobs.files import whole_file


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    images: uint8 (N, C, H, W).  labels: int64 (N,).  class_names: one per class, in the order of the labels.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> dict[str, int]:
        """The image shape and number of classes from which a network for these images is built."""
        _, channels, size, _ = self.images.shape
        return {"channels": channels, "size": size, "classes": len(self.class_names)}

    def take(self, indices: np.ndarray | slice | Sequence[int]) -> "Split":
        return Split(self.images[indices], self.labels[indices], self.class_names)


def check_split(split: Split, origin: str) -> Split:
    """Return `split`. Raises InvalidInput, naming `origin`, if its shapes, types or labels are not those of a Split."""
    images, labels, classes = split.images, split.labels, len(split.class_names)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise InvalidInput(f"{origin}: images are {images.dtype} of shape {images.shape}; uint8 (N, C, H, W) is needed")
    if labels.dtype != np.int64:
        raise InvalidInput(f"{origin}: labels are {labels.dtype}; int64 is needed")
    if labels.ndim != 1 or len(labels) != len(images):
        raise InvalidInput(f"{origin}: {len(images)} images but labels of shape {labels.shape}; give one per image")
    if len(labels) == 0:
        raise InvalidInput(f"{origin}: no images")
    if images.shape[2] != images.shape[3]:
        raise InvalidInput(f"{origin}: images are {images.shape[2]} x {images.shape[3]} pixels; they must be square")
    if labels.min() < 0 or labels.max() >= classes:
        found = f"{labels.min()} to {labels.max()}"
        raise InvalidInput(f"{origin}: labels go from {found}; with {classes} classes they must be 0 to {classes - 1}")
    return split


def save_split(path: Path, split: Split) -> None:
    tensors = {"images": np.ascontiguousarray(split.images), "labels": np.ascontiguousarray(split.labels, np.int64)}
    with whole_file(path) as partial:
        save_file(tensors, partial, metadata={"class_names": json.dumps(split.class_names)})


def load_split(path: Path) -> Split:
    """Load a split. Raises InvalidInput if the file is missing, damaged, or not a split."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = tuple(json.loads(file.metadata()["class_names"]))
            split = Split(file.get_tensor("images"), file.get_tensor("labels"), names)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} is not a split written by foolflow: {in_one_line(error)}") from error
    return check_split(split, str(path))
