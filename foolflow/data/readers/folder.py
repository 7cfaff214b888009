"""The user's folder of images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision.datasets import ImageFolder

from foolflow.data.splits import Split
from foolflow.errors import InvalidInput

DEEP_MODES = ("I", "F")  # Pillow's modes of more than 8 bits a channel; converting them clips instead of scaling


def read(dataset: Mapping[str, Any], raw: Path) -> tuple[Split, Split | None]:
    """(train, test or None) from a tree as torchvision's ImageFolder has it: path/<class>/<image>, or path/train/...
    and path/test/...

    dataset: `path`, `channels` (1: grey, 3: RGB), `size`; each image is converted and resized to it (bilinear).
    Raises InvalidInput if there is no such folder, no image in a class, or a file is not an image of 8 bits a channel.
    """
    path, channels, size = Path(dataset["path"]), dataset["channels"], dataset["size"]
    if not path.is_dir():
        raise InvalidInput(f"datasets: path {path} is not a folder")
    if (path / "train").is_dir() and (path / "test").is_dir():
        train, test = (_read_tree(path / part, channels, size) for part in ("train", "test"))
        if train.class_names != test.class_names:
            raise InvalidInput(f"{path}: train has the classes {train.class_names}, test has {test.class_names}")
        return train, test
    return _read_tree(path, channels, size), None


def _read_tree(path: Path, channels: int, size: int) -> Split:
    try:
        tree = ImageFolder(str(path))
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: {' '.join(str(error).split())}") from error
    images = np.stack([_read_image(Path(file), channels, size) for file, _ in tree.samples])
    return Split(images, np.asarray(tree.targets, np.int64), tuple(tree.classes))


def _read_image(file: Path, channels: int, size: int) -> np.ndarray:
    try:
        with Image.open(file) as opened:
            mode = opened.mode
            image = opened.convert("L" if channels == 1 else "RGB")
    except Exception as error:  # Pillow's decoders raise what they like on damaged files
        raise InvalidInput(f"{file} is not a readable image: {error}") from error
    if mode.startswith(DEEP_MODES):
        raise InvalidInput(f"{file} has more than 8 bits a channel (mode {mode}); convert it to 8 bits")
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
