"""Read each kind of source into train and test images, all of one size."""

import gzip
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from foolflow.data.splits import Split, check_split
from foolflow.errors import InvalidInput

DIGITS_SIZE = 28


def read_source(dataset: Mapping[str, Any], raw: Path) -> tuple[Split, Split | None]:
    """(train, test) of a config entry `datasets.<name>`; test is None where the source has no test images.

    raw: the folder that `fetch` filled, for the sources that are downloaded.
    Raises InvalidInput if the files are missing, damaged or of another form.
    """
    match dataset["source"]:
        case "mnist" | "fashion_mnist":
            return _read_idx_pair(raw, dataset["source"])
        case "cifar10":
            return _read_cifar10(raw)
        case "digits":
            return read_digits(), None
        case "folder":
            return read_folder(Path(dataset["path"]), dataset["channels"], dataset["size"])
        case "npz":
            return read_npz(Path(dataset["path"]))
        case other:
            raise InvalidInput(f"datasets: there is no source {other!r}")


def _read_idx_pair(raw: Path, source: str) -> tuple[Split, Split]:
    from torchvision.datasets import MNIST, FashionMNIST

    classes = MNIST.classes if source == "mnist" else FashionMNIST.classes
    names = tuple(name.split(" - ")[0] for name in classes)  # MNIST's read "0 - zero"

    def read(part: str) -> Split:
        images = _read_idx(raw / f"{part}-images-idx3-ubyte.gz")[:, None]
        labels = _read_idx(raw / f"{part}-labels-idx1-ubyte.gz").astype(np.int64)
        return check_split(Split(images, labels, names), str(raw / part))

    return read("train"), read("t10k")


def _read_idx(file: Path) -> np.ndarray:
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    try:
        content = gzip.decompress(file.read_bytes())
        with tempfile.NamedTemporaryFile() as plain:  # torchvision reads uncompressed files only
            plain.write(content)
            plain.flush()
            return read_sn3_pascalvincent_tensor(plain.name).numpy()
    except (OSError, EOFError, ValueError, AssertionError, RuntimeError) as error:
        raise InvalidInput(f"{file} cannot be read as an IDX file ({error}); remove it and run again") from error


def _read_cifar10(raw: Path) -> tuple[Split, Split]:
    from torchvision.datasets import CIFAR10

    def read(train: bool) -> Split:
        try:  # torchvision compares the checksums before it opens the pickles
            data = CIFAR10(str(raw), train=train, download=False)
        except RuntimeError as error:
            raise InvalidInput(f"{raw}: {error}; remove the folder and run again") from error
        images = np.ascontiguousarray(data.data.transpose(0, 3, 1, 2))
        return check_split(Split(images, np.asarray(data.targets, np.int64), tuple(data.classes)), str(raw))

    return read(True), read(False)


def read_digits() -> Split:
    """scikit-learn's 1,797 hand-written digits, 8 x 8 pixels of 17 grey levels, brought to 28 x 28 (bicubic)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = np.round(digits.images * (255 / 16)).astype(np.uint8)
    size = (DIGITS_SIZE, DIGITS_SIZE)
    images = np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in small])
    return Split(images[:, None], digits.target.astype(np.int64), tuple(str(digit) for digit in range(10)))


def read_folder(path: Path, channels: int, size: int) -> tuple[Split, Split | None]:
    """A tree as torchvision's ImageFolder has it: path/<class>/<image>, or path/train/... and path/test/...

    Each image is converted to `channels` (1: grey, 3: RGB) and resized to size x size (bilinear).
    """
    if not path.is_dir():
        raise InvalidInput(f"datasets: path {path} is not a folder")
    if (path / "train").is_dir() and (path / "test").is_dir():
        train, test = (_read_tree(path / part, channels, size) for part in ("train", "test"))
        if train.class_names != test.class_names:
            raise InvalidInput(f"{path}: train has the classes {train.class_names}, test has {test.class_names}")
        return train, test
    return _read_tree(path, channels, size), None


def _read_tree(path: Path, channels: int, size: int) -> Split:
    from torchvision.datasets import ImageFolder

    try:
        tree = ImageFolder(str(path))
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: {error}") from error
    images = np.stack([_read_image(Path(file), channels, size) for file, _ in tree.samples])
    return Split(images, np.asarray(tree.targets, np.int64), tuple(tree.classes))


def _read_image(file: Path, channels: int, size: int) -> np.ndarray:
    try:
        with Image.open(file) as opened:
            image = opened.convert("L" if channels == 1 else "RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{file} is not a readable image: {error}") from error
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def read_npz(path: Path) -> tuple[Split, Split | None]:
    """Arrays `x_train`, `y_train`, `x_test`, `y_test`, or `images` and `labels` alone.

    Images: uint8, or floats in [0, 1]; (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"datasets: {path} cannot be read as an npz file: {error}") from error
    pairs = [("x_train", "y_train"), ("x_test", "y_test")] if "x_train" in arrays else [("images", "labels")]
    for name in (name for pair in pairs for name in pair):
        if name not in arrays:
            raise InvalidInput(f"{path} has no array {name!r}; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    classes = tuple(str(label) for label in range(max(int(arrays[labels].max(initial=0)) for _, labels in pairs) + 1))
    splits = []
    for images, labels in pairs:
        origin = f"{path}: {images}"
        if not np.issubdtype(arrays[labels].dtype, np.integer):
            raise InvalidInput(f"{path}: {labels} are {arrays[labels].dtype}; whole numbers are needed")
        split = Split(_to_pixels(arrays[images], origin), arrays[labels].astype(np.int64), classes)
        splits.append(check_split(split, origin))
    return splits[0], splits[1] if len(splits) == 2 else None


def _to_pixels(images: np.ndarray, origin: str) -> np.ndarray:
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InvalidInput(f"{origin}: shape {images.shape} is not (N, H, W), (N, H, W, C) or (N, C, H, W), C 1 or 3")
    if np.issubdtype(images.dtype, np.floating):
        if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
            raise InvalidInput(f"{origin}: float images have to be finite and in [0, 1]")
        images = np.round(images * 255).astype(np.uint8)
    return np.ascontiguousarray(images)
