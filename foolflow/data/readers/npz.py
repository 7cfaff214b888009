"""The user's NumPy arrays."""

import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from foolflow.data.splits import Split, check_split
from foolflow.errors import InvalidInput, in_one_line

LIMIT = 4 * 2**30  # bytes of all arrays together: 1.4 million colour images of 32 x 32 pixels, as uint8


def read(dataset: Mapping[str, Any], raw: Path) -> tuple[Split, Split | None]:
    """(train, test or None) from arrays `x_train`, `y_train`, `x_test`, `y_test`, or `images` and `labels` alone.

    Images: uint8, or floats in [0, 1]; (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3. Labels: 0, 1, 2, ...
    Raises InvalidInput if the file is missing, damaged or too large, or an array is missing or of another form.
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
    names = _class_names(arrays[pairs[0][1]], f"{path}: {pairs[0][1]}")
    splits = [_split(arrays[images], arrays[labels], names, f"{path}: {images}") for images, labels in pairs]
    return splits[0], splits[1] if len(splits) == 2 else None


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as opened:
            if opened.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
                raise InvalidInput(f"datasets: {path} holds one array alone; save with numpy.savez, under their names")
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"datasets: {path} cannot be read as an npz file: {in_one_line(error)}") from error


def _check_sizes(archive: zipfile.ZipFile) -> None:
    """Before anything is inflated or a byte of memory taken: an archive of kilobytes may hold terabytes of zeros.

    NumPy takes the memory that an array's head asks for, so what the heads say has to be what the archive holds.
    """
    total = sum(member.file_size for member in archive.infolist())
    if total > LIMIT:
        raise ValueError(f"its arrays take {total:,} bytes, {LIMIT:,} are allowed; save images as uint8, or fewer")
    for member in archive.infolist():
        with archive.open(member) as opened:
            told = _size_told(opened)
        if told is not None and told != member.file_size:
            raise ValueError(f"{member.filename} tells of {told:,} bytes and has {member.file_size:,}")


def _size_told(opened: IO[bytes]) -> int | None:
    """The bytes that a .npy file has by its own head; None of what is no such file, or holds pickles."""
    try:
        version = npy.read_magic(opened)
        shape, _, kind = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(opened)
    except ValueError:
        return None
    return None if kind.hasobject else opened.tell() + prod(shape) * kind.itemsize


def _class_names(labels: np.ndarray, origin: str) -> tuple[str, ...]:
    """Of train's labels, which have to be the numbers from 0 on, so that no class is without images."""
    found = np.unique(labels).tolist()
    if found and found[0] >= 0 and found != list(range(len(found))):
        gap = next(place for place, label in enumerate(found) if place != label)
        raise InvalidInput(f"{origin} go up to {found[-1]}, but no image has label {gap}; number them 0, 1, 2, ...")
    return tuple(map(str, range(len(found))))


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
