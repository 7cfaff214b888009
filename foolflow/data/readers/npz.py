"""The user's NumPy arrays."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from foolflow.data.splits import Split, check_split
from foolflow.errors import InvalidInput


def read(dataset: Mapping[str, Any], raw: Path) -> tuple[Split, Split | None]:
    """(train, test or None) from arrays `x_train`, `y_train`, `x_test`, `y_test`, or `images` and `labels` alone.

    Images: uint8, or floats in [0, 1]; (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3. Labels: whole numbers.
    Raises InvalidInput if the file is missing or damaged, or an array is missing or of another form.
    """
    path = Path(dataset["path"])
    arrays = _load(path)
    pairs = [("x_train", "y_train"), ("x_test", "y_test")] if "x_train" in arrays else [("images", "labels")]
    for name in (name for pair in pairs for name in pair):
        if name not in arrays:
            raise InvalidInput(f"{path} has no array {name!r}; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    for _, labels in pairs:
        if not np.issubdtype(arrays[labels].dtype, np.integer):
            raise InvalidInput(f"{path}: {labels} are {arrays[labels].dtype}; whole numbers are needed")
    names = tuple(str(label) for label in range(max(int(arrays[labels].max(initial=0)) for _, labels in pairs) + 1))
    splits = [_split(arrays[images], arrays[labels], names, f"{path}: {images}") for images, labels in pairs]
    return splits[0], splits[1] if len(splits) == 2 else None


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise InvalidInput(f"datasets: {path} holds a single array; save with numpy.savez under the right names")
        with loaded as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"datasets: {path} cannot be read as an npz file: {error}") from error


def _split(images: np.ndarray, labels: np.ndarray, names: tuple[str, ...], origin: str) -> Split:
    return check_split(Split(_to_pixels(images, origin), labels.astype(np.int64), names), origin)


def _to_pixels(images: np.ndarray, origin: str) -> np.ndarray:
    """uint8 (N, C, H, W); other types than uint8 and float are left for check_split to refuse."""
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InvalidInput(f"{origin}: shape {images.shape} is not (N, H, W), (N, H, W, C) or (N, C, H, W), C 1 or 3")
    if np.issubdtype(images.dtype, np.floating):
        if images.size and not (images.min() >= 0 and images.max() <= 1):  # written so that NaN fails, too
            raise InvalidInput(f"{origin}: float images have to be finite and in [0, 1]")
        images = np.round(images * 255).astype(np.uint8)
    return np.ascontiguousarray(images)
