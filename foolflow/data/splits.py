"""One split of a data set, stored as 8-bit images and labels in a safetensors file."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from foolflow.data.tensors import map_tensors, write_tensors
from foolflow.errors import InvalidInput, in_one_line

SLICE = 32 * 2**20  # bytes of images that are held in memory at once when a split is written


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    images: uint8 (N, C, H, W), in `foolflow.evaluate` also float32 in [0, 1]; read-only if they are mapped from a file.
    labels: int64 (N,).
    class_names: one per class, in the order of the labels.
    notices: one line for each thing about the source that its owner may not expect.
    files: the path of each image below the folder of the data set; empty if they come from no folder.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    notices: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> dict[str, Any]:
        """The image shape and number of classes from which a network for these images is built.

        `size` is a number of pixels if the images are square, and otherwise the list [height, width].
        """
        _, channels, height, width = self.images.shape
        size = height if height == width else [height, width]
        return {"channels": channels, "size": size, "classes": len(self.class_names)}

    def take(self, indices: np.ndarray | slice | Sequence[int]) -> "Split":
        files = tuple(np.array(self.files, object)[indices]) if self.files else ()
        return replace(self, images=self.images[indices], labels=self.labels[indices], files=files)


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
    if 0 in images.shape:
        raise InvalidInput(f"{origin}: images of shape {images.shape[1:]} have no pixels")
    if labels.min() < 0 or labels.max() >= classes:
        found = f"{labels.min()} to {labels.max()}"
        raise InvalidInput(f"{origin}: labels go from {found}; with {classes} classes they must be 0 to {classes - 1}")
    return split


def save_splits(splits: Mapping[Path, Split]) -> None:
    """Write splits, all or none. Only a slice of their images is in memory at once."""
    with ExitStack() as stack:
        for path, split in splits.items():
            metadata = {"class_names": json.dumps(split.class_names)}
            for name, lines in (("notices", split.notices), ("files", split.files)):
                if lines:
                    metadata[name] = json.dumps(lines)
            layout = {"images": (np.uint8, tuple(split.images.shape)), "labels": (np.int64, (len(split),))}
            writer = stack.enter_context(write_tensors(path, layout, metadata))
            rows = max(1, SLICE // prod(split.images.shape[1:]))
            for start in range(0, len(split), rows):
                writer.write("images", start, np.asarray(split.images[start : start + rows]))
            writer.write("labels", 0, np.asarray(split.labels, np.int64))


def load_split(path: Path) -> Split:
    """Load a split. Its images are mapped into memory, so only those that are used are read.

    Raises InvalidInput if the file is missing, damaged, or not a split.
    """
    try:
        tensors, metadata = map_tensors(path)
        names, notices, files = (
            tuple(json.loads(metadata.get(name, "[]"))) for name in ("class_names", "notices", "files")
        )
        split = Split(tensors["images"], np.array(tensors["labels"]), names, notices, files)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} is not a split written by foolflow: {in_one_line(error)}") from error
    return check_split(split, str(path))
