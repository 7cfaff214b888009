"""A user's NumPy arrays."""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from PIL import Image

from foolflow.data.arrays import pairs_of
from foolflow.data.pixels import MUCH, Fit, pixels_of
from foolflow.data.splits import Split, check_split
from foolflow.errors import InvalidInput, in_one_line

LIMIT = 4 * 2**30  # bytes of all arrays together: 1.4 million 32 x 32 colour images as uint8
MOST_CLASSES = 1_000_000


def read(dataset: Mapping[str, Any], raw: Path) -> dict[str, Split]:
    """Return `train` from the arrays `images` and `labels`, or the splits from `x_train`, `y_train`, `x_val`, ...

    Without `val:` and val images, the images are not trained on: `test` is enough, from `x_test` and `y_test` or
    `images` and `labels`, and its labels may have gaps, since they number the outputs of a model. See `pairs_of`.
    Images: uint8 from 0 to 255, or floats in [0, 1]; (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3. Labels: 0,
    1, 2, ... An array `class_names` of texts is optional. dataset: `path`; `channels`, to convert the images; and see
    `Fit`.
    Raises InvalidInput if the file is missing, damaged or too large, an array is missing or has the wrong form, or
    images would be set aside although the file has its own.
    """
    path = Path(dataset["path"])
    arrays = _load(path)
    pairs = pairs_of(dataset, arrays)
    for name in (name for pair in pairs.values() for name in pair):
        if name not in arrays:
            raise InvalidInput(f"{path} has no array {name!r}; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    for _, labels in pairs.values():
        if remedy := remedy_for_labels(arrays[labels].shape):
            raise InvalidInput(f"{path}: {labels} have the shape {arrays[labels].shape}{remedy}")
        if not np.issubdtype(arrays[labels].dtype, np.integer):
            raise InvalidInput(f"{path}: {labels} are {arrays[labels].dtype}; whole numbers are needed")
    if "train" in pairs:
        _check_gaps(arrays[pairs["train"][1]], f"{path}: {pairs['train'][1]}")
    names = _class_names(arrays, pairs, path)
    splits = {part: _split(arrays[x], arrays[y], names, f"{path}: {x}", dataset) for part, (x, y) in pairs.items()}
    notices = _notices_of_arrays(arrays, pairs, path)
    return {part: replace(split, notices=(*notices, *split.notices)) for part, split in splits.items()}


def _notices_of_arrays(arrays: Iterable[str], pairs: Mapping[str, tuple[str, str]], path: Path) -> tuple[str, ...]:
    """Return a line about the arrays that are passed over, other than the train images of an evaluation."""
    known = {"class_names", "x_train", "y_train"}.union(*pairs.values())
    others = sorted(set(arrays) - known)
    return (f"{path}: arrays passed over: {', '.join(others)}",) if others else ()


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


def _check_gaps(labels: np.ndarray, origin: str) -> None:
    """Check that the train labels are 0, 1, 2, ... without gaps, so that no class is empty."""
    found = np.unique(labels).tolist()
    if found and found[0] >= 0 and found != list(range(len(found))):
        gap = next(index for index, label in enumerate(found) if index != label)
        raise InvalidInput(f"{origin} go up to {found[-1]}, but no image has label {gap}; number them 0, 1, 2, ...")


def _class_names(arrays: Mapping[str, np.ndarray], pairs: Mapping[str, tuple[str, str]], path: Path) -> tuple[str, ...]:
    """Return the array `class_names`, or else a number for each class up to the largest label, also of `y_train`."""
    labels = [arrays[name] for name in {*(y for _, y in pairs.values()), *(arrays.keys() & {"y_train"})}]
    numbers = [array for array in labels if array.size and np.issubdtype(array.dtype, np.integer)]
    largest = max((int(array.max()) for array in numbers), default=-1)
    if "class_names" in arrays:
        names = arrays["class_names"]
        if names.ndim != 1 or names.dtype.kind != "U":
            raise InvalidInput(f"{path}: class_names has the type {names.dtype}; a list of texts is needed")
        if len(names) <= largest:
            raise InvalidInput(f"{path}: {len(names)} class_names, but labels go up to {largest}; name every class")
        return tuple(names.tolist())
    if largest >= MOST_CLASSES:
        raise InvalidInput(f"{path}: labels go up to {largest}; they number the classes 0, 1, 2, ...")
    return tuple(map(str, range(largest + 1)))


def _split(
    images: np.ndarray, labels: np.ndarray, names: tuple[str, ...], origin: str, dataset: Mapping[str, Any]
) -> Split:
    split = check_split(Split(_to_pixels(images, origin), labels.astype(np.int64), names), origin)
    fit, channels = Fit.of(dataset), dataset.get("channels", split.images.shape[1])
    if fit == Fit() and channels == split.images.shape[1]:
        return split
    mode = "L" if channels == 1 else "RGB"
    fitted = (fit.apply(Image.fromarray(_picture(image)).convert(mode)) for image in split.images)
    notices = []
    if fit.pads(*split.images.shape[2:]):
        notices.append(f"{origin}: `crop` added black borders, since the images are smaller")
    if (cut := fit.cut(*split.images.shape[2:])) > MUCH:
        remark = "unlike torchvision's Resize((h, w)), which distorts"
        notices.append(f"{origin}: `size` cut {100 * cut:.0f} % off each image, {remark}")
    return replace(split, images=np.concatenate([pixels_of(image) for image in fitted]), notices=tuple(notices))


def _picture(image: np.ndarray) -> np.ndarray:
    """Return (C, H, W) pixels as Pillow needs them."""
    return image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))


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
    elif images.dtype == np.uint8 and images.max(initial=0) == 1:
        raise InvalidInput(f"{origin}: uint8 from 0 to 1, where white is 255; multiply by 255, or save them as floats")
    return np.ascontiguousarray(images)


def remedy_for_labels(shape: tuple[int, ...]) -> str:
    """Return what to do about labels that are a table instead of a list; nothing for others."""
    if len(shape) != 2:
        return ""
    return "; give labels[:, 0]" if shape[1] == 1 else "; if they are one-hot, give labels.argmax(1)"
