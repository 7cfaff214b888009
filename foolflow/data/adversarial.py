"""Adversarial sets: images and what only their attack knows about them, in one safetensors file."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from foolflow.data.reading import unreadable
from foolflow.data.tensors import Layout, map_tensors
from foolflow.errors import InvalidInput

REQUIRED = ("images", "index", "epsilon", "target", "iterations", "gradient_evaluations")

# What `judge` measures or knows about each image. No detail of an attack may have one of these names.
MEASURED = (
    *("index", "epsilon", "label", "target", "iterations", "gradient_evaluations"),
    *("clean_prediction", "clean_confidence", "prediction", "confidence"),
    *(f"{kind}_{rank}" for kind in ("clean_class", "clean_confidence", "class", "confidence") for rank in range(2, 6)),
    *("clean_loss", "loss", "margin", "success", "fooled_share", "prediction_8bit", "success_8bit"),
    *("l0", "l1", "l2", "linf", "ssim"),
)

# Large sets of large images may be stored in 8 bits, which is what image files hold, and a quarter of the size.
LARGE_IMAGE = 3 * 64 * 64  # values
LARGE_SET = 2**30  # bytes as float32


def stored_type(count: int, shape: tuple[int, ...]) -> np.dtype:
    """Return the type in which `count` images of this shape (C, H, W) are stored.

    It is uint8 for images of more than LARGE_IMAGE values in sets that would take more than LARGE_SET bytes, and
    float32 for all others. Rounding can take an image out of its ball and undo a small perturbation, so it is not for
    sets whose distances count.
    """
    values = prod(shape)
    return np.dtype(np.uint8 if values > LARGE_IMAGE and 4 * count * values > LARGE_SET else np.float32)


def to_stored(images: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert float32 images in [0, 1] to the type in which they are stored: rounded to 256 levels if it is uint8."""
    return np.rint(images * 255).astype(np.uint8) if dtype == np.uint8 else images


def from_stored(images: np.ndarray) -> np.ndarray:
    """Return stored images as float32 in [0, 1], of the same shape."""
    return images.astype(np.float32) / np.float32(255) if images.dtype == np.uint8 else np.array(images)


@dataclass(frozen=True)
class AdversarialSet:
    """An adversarial set of R images. Each tensor has R rows. With several epsilons, the rows are grouped by epsilon.

    The following tensors may be mapped into memory, so read images in slices, with `images`.
    images: float32 (R, C, H, W) in [0, 1], or uint8: see `stored_type`.  index: int64 (R,), in the test split.
    epsilon: float64 (R,), NaN if the attack has none.  target: int64 (R,), -1 if the attack has none.
    iterations, gradient_evaluations: int64 (R,).
    All other tensors are details of the attack, such as stAdv's `flow` (R, 2, H, W) and `flow_loss` (R,).
    """

    tensors: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.tensors["images"])

    @property
    def stored(self) -> str:
        """The type in which the images are stored: `float32` or `uint8`."""
        return self.tensors["images"].dtype.name

    @property
    def layout(self) -> Layout:
        return {name: (tensor.dtype, tensor.shape) for name, tensor in self.tensors.items()}

    def images(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return these images as float32 in [0, 1], however they are stored."""
        return from_stored(self.tensors["images"][rows])

    @property
    def details(self) -> dict[str, np.ndarray]:
        return {name: tensor for name, tensor in self.tensors.items() if name not in REQUIRED}


def load_set(path: Path) -> AdversarialSet:
    """Open an adversarial set. Its tensors are read when they are used, and only the rows that are used.

    Raises InvalidInput if the file is missing, damaged, or not an adversarial set.
    """
    try:
        tensors, _ = map_tensors(path)
    except (OSError, SafetensorError) as error:
        raise unreadable(path, "a safetensors file with the expected tensors", error) from error
    missing = [name for name in REQUIRED if name not in tensors]
    if missing:
        raise InvalidInput(f"{path} is not an adversarial set: it has no {', '.join(missing)}; run the attack again")
    if len({tensor.shape[:1] for tensor in tensors.values()}) > 1:
        shapes = ", ".join(f"{name} {tensor.shape}" for name, tensor in tensors.items())
        raise InvalidInput(f"{path} is not an adversarial set: rows are missing ({shapes}); run the attack again")
    return AdversarialSet(tensors)
