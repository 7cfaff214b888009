"""A user's NumPy arrays."""

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

LIMIT = 4 * 2**30  # bytes of all arrays together: 1.4 million 32 x 32 colour images as uint8


def read(dataset: Mapping[str, Any], raw: Path) -> tuple[Split, Split | None]:
    """Return (train, test or None) from the arrays `x_train`, `y_train`, `x_test`, `y_test`, or `images` and `labels`.

    Images: uint8, or floats in [0, 1]; (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3. Labels: 0, 1, 2, ...
    Raises InvalidInput if the file is missing, damaged or too large, or an array is missing or has the wrong form.
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
                raise InvalidInput(f"datasets: {path} holds a single unnamed array; save named arrays with numpy.savez")
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"datasets: {path} cannot be read as an npz file: {in_one_line(error)}") from error


def _check_sizes(archive: zipfile.ZipFile) -> None:
    """Check the sizes before anything is decompressed: an archive of a few kilobytes may hold terabytes of zeros.

    NumPy allocates the size that an array's header declares, so each header must agree with the archive.
    """
    total = sum(member.file_size for member in archive.infolist())
    if total > LIMIT:
        raise ValueError(f"its arrays take {total:,} bytes, the limit is {LIMIT:,}; save images as uint8, or fewer")
    for member in archive.infolist():
        with archive.open(member) as opened:
            declared = _declared_size(opened)
        if declared is not None and declared != member.file_size:
            raise ValueError(f"{member.filename} declares {declared:,} bytes but has {member.file_size:,}")


def _declared_size(opened: IO[bytes]) -> int | None:
    """Return the size in bytes that a .npy file's header declares; None if it is not one or holds pickles."""
    try:
        version = npy.read_magic(opened)
        shape, _, kind = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(opened)
    except ValueError:
        return None
    return None if kind.hasobject else opened.tell() + prod(shape) * kind.itemsize


def _class_names(labels: np.ndarray, origin: str) -> tuple[str, ...]:
    """Return a name for each class. The train labels must be 0, 1, 2, ... without gaps, so that no class is empty."""
    found = np.unique(labels).tolist()
    if found and found[0] >= 0 and found != list(range(len(found))):
        gap = next(index for index, label in enumerate(found) if index != label)
        raise InvalidInput(f"{origin} go up to {found[-1]}, but no image has label {gap}; number them 0, 1, 2, ...")
    return tuple(map(str, range(len(found))))


def _split(images: np.ndarray, labels: np.ndarray, names: tuple[str, ...], origin: str) -> Split:
    return check_split(Split(_to_pixels(images, origin), labels.astype(np.int64), names), origin)


def _to_pixels(images: np.ndarray, origin: str) -> np.ndarray:
    """Return uint8 (N, C, H, W). Types other than uint8 and float pass through, and check_split rejects them."""
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InvalidInput(
            f"{origin}: shape {images.shape} is not (N, H, W), (N, H, W, C) or (N, C, H, W); C is 1 or 3"
        )
    if np.issubdtype(images.dtype, np.floating):
        if images.size and not (images.min() >= 0 and images.max() <= 1):  # written so that NaN fails, too
            raise InvalidInput(f"{origin}: float images must be finite and in [0, 1]")
        images = np.round(images * 255).astype(np.uint8)
    return np.ascontiguousarray(images)
