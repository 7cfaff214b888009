"""A user's folder of images."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision.datasets import ImageFolder

from foolflow.data.splits import Split
from foolflow.errors import InvalidInput, in_one_line

# Pillow identifies a file by its content and not by its name, and would run the program in a PostScript file.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # all formats whose file names ImageFolder accepts
DEEP_MODES = ("I", "F")  # Pillow's modes with more than 8 bits per channel; converting them clips instead of scaling


def read(dataset: Mapping[str, Any], raw: Path) -> tuple[Split, Split | None]:
    """Return (train, test or None) from a tree that torchvision's ImageFolder can read.

    The tree is path/<class>/<image>, or path/train/<class>/<image> and path/test/<class>/<image>.
    dataset: `path`, `channels` (1: grey, 3: RGB) and `size`; each image is converted and resized (bilinear).
    Raises InvalidInput if the folder does not exist, a class has no images, a file is not an image with 8 bits per
    channel or has too many pixels, or a link leads out of the folder.
    """
    path, channels, size = Path(dataset["path"]), dataset["channels"], dataset["size"]
    if not path.is_dir():
        raise InvalidInput(f"datasets: path {path} is not a folder")
    _check_links(path)
    if (path / "train").is_dir() and (path / "test").is_dir():
        train, test = (_read_tree(path / part, channels, size) for part in ("train", "test"))
        if train.class_names != test.class_names:
            raise InvalidInput(f"{path}: train has the classes {train.class_names}, test has {test.class_names}")
        return train, test
    return _read_tree(path, channels, size), None


def _check_links(path: Path) -> None:
    """Reject links out of the folder, since the data set may come from a stranger, and to folders, which may loop."""
    whole = path.resolve()
    for folder, folders, files in os.walk(path):
        for found in (Path(folder) / name for name in (*folders, *files)):
            if found.is_symlink() and (found.is_dir() or not found.resolve().is_relative_to(whole)):
                raise InvalidInput(f"{found} is a link to a folder, or leads out of {path}; replace it with the images")
            if not found.is_dir() and not found.is_file():
                raise InvalidInput(f"{found} is neither a file nor a folder; remove it")


def _read_tree(path: Path, channels: int, size: int) -> Split:
    try:
        tree = ImageFolder(str(path))
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: {' '.join(str(error).split())}") from error
    images = np.stack([_read_image(Path(file), channels, size) for file, _ in tree.samples])
    return Split(images, np.asarray(tree.targets, np.int64), tuple(tree.classes))


def _read_image(file: Path, channels: int, size: int) -> np.ndarray:
    try:
        with Image.open(file, formats=FORMATS) as opened:
            mode = opened.mode
            image = opened.convert("L" if channels == 1 else "RGB")
    except Exception as error:  # Pillow's decoders raise many types of errors on damaged files
        raise InvalidInput(f"{file} is not a readable image: {in_one_line(error)}") from error
    if mode.startswith(DEEP_MODES):
        raise InvalidInput(f"{file} has more than 8 bits per channel (mode {mode}); convert it to 8 bits")
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
