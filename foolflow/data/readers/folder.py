"""A user's folder of images."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from foolflow.data.layout import (
    SUFFIXES,
    class_folder_names,
    files_below,
    is_ignored,
    is_image,
    part_named,
    parts_of,
    visible,
)
from foolflow.data.pixels import MUCH, Fit, Look, look_at, open_image, pixels_of
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput

LARGEST = 200_000_000  # pixels of a scaled image


class FileImages:
    """Images that are decoded when they become an array. Like an array, they have a shape and can be indexed."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, files: np.ndarray, fit: Fit, shape: tuple[int, int, int]) -> None:
        """files: the path of each image, as objects.  shape: channels, height and width of each image."""
        self._files, self._fit, self._shape = files, fit, shape

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self._files), *self._shape

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, rows: np.ndarray | slice) -> "FileImages":
        return FileImages(self._files[rows], self._fit, self._shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        images = np.empty(self.shape, np.uint8)
        for row, file in enumerate(self._files):
            images[row] = pixels_of(self._fit.apply(open_image(file, self._shape[0])))[0]
        return images if dtype is None else images.astype(dtype, copy=False)


@dataclass(frozen=True)
class Tree:
    """The files of one part of a data set.

    folder: contains one folder for each class.  classes: the names of all classes, in the order of their labels.
    """

    folder: Path
    classes: Sequence[str]

    @cached_property
    def files(self) -> dict[Path, int]:
        """The images, each with its label."""
        return {
            file: label
            for label, name in enumerate(self.classes)
            for file in files_below(self.folder / name)
            if is_image(file)
        }

    @cached_property
    def looks(self) -> dict[Path, Look]:
        return {file: look_at(file) for file in self.files}

    @cached_property
    def images(self) -> dict[Path, Look]:
        """The images that are read: those with a single frame."""
        return {file: look for file, look in self.looks.items() if look.frames == 1}


def read(dataset: Mapping[str, Any], raw: Path) -> dict[str, Split]:
    """Return the splits that the folder holds: `train`, `val` and `test`, or some of them.

    The folder has one folder for each class, or one folder for each split with such folders: see `parts_of`.
    dataset: `path`; `channels` (1: grey, 3: RGB; default: RGB if an image has colour); and how the images are brought
    to one size: see `Fit`. Images are read in slices, when their split is saved.
    Raises InvalidInput if the folder does not exist, its layout is ambiguous, a class has no train images, the images
    do not have the same size, a file is not an image with 8 bits per channel or has too many pixels, or a link leads
    out of the folder.
    """
    path = Path(dataset["path"])
    if not path.is_dir():
        raise InvalidInput(f"datasets: path {path} is not a folder")
    _check_links(path)
    parts = parts_of(dataset)
    classes = class_folder_names(dataset)
    trees = {part: Tree(folder, classes) for part, folder in parts.items()}
    for part, tree in trees.items():
        _check_classes(tree, path, trains=part == "train")
    every = [item for tree in trees.values() for item in tree.images.items()]
    channels = dataset.get("channels") or (3 if any(look.colour for _, look in every) else 1)
    fit = Fit.of(dataset)
    height, width = _common_size(every, fit)
    general = tuple(_notices_of_layout(path, trees, classes))
    splits = {}
    for part, tree in trees.items():
        files = np.array(list(tree.images), object)
        images = cast(np.ndarray, FileImages(files, fit, (channels, height, width)))
        labels = np.array([tree.files[file] for file in files], np.int64)
        names = tuple(file.relative_to(path).as_posix() for file in files)
        notices = (*general, *_notices_of_files(tree, path), *_notices_of_images(tree, path, fit))
        splits[part] = Split(images, labels, tuple(classes), notices, names)
    return splits


def _check_links(path: Path) -> None:
    """Reject links out of the folder, since the data set may come from a stranger, and to folders, which may loop."""
    whole = path.resolve()
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not is_ignored(name)]
        for found in (Path(folder) / name for name in (*folders, *files) if not is_ignored(name)):
            if found.is_symlink() and (found.is_dir() or not found.resolve().is_relative_to(whole)):
                raise InvalidInput(f"{found} is a link to a folder, or leads out of {path}; replace it with the images")
            if not found.is_dir() and not found.is_file():
                raise InvalidInput(f"{found} is neither a file nor a folder; remove it")


def _check_classes(tree: Tree, path: Path, trains: bool) -> None:
    """Check the class folders of a part of the data set against the classes of the train images."""
    found = [folder.name for folder in visible(tree.folder)[0]]
    if not found:
        loose = any(map(is_image, visible(tree.folder)[1]))
        problem = "the images lie in no class folder" if loose else "there are no class folders"
        raise InvalidInput(f"{tree.folder}: {problem}; make a folder for each class, such as {tree.folder}/cat/1.png")
    for name in found:
        if name not in tree.classes:
            raise InvalidInput(f"{tree.folder}: train has no class {name!r}; its classes are {_listed(tree.classes)}")
    if not tree.images:
        known = " ".join(sorted(SUFFIXES))
        raise InvalidInput(f"{tree.folder}: no images in the class folders; Foolflow reads still images: {known}")
    if trains and (empty := _without_images(tree)):
        raise InvalidInput(f"{tree.folder}: no images of the class {empty[0]!r}; add some, or remove the folder")


def _without_images(tree: Tree) -> list[str]:
    found = {tree.files[file] for file in tree.images}
    return [name for label, name in enumerate(tree.classes) if label not in found]


def _common_size(images: Sequence[tuple[Path, Look]], fit: Fit) -> tuple[int, int]:
    """Return the height and width that all images have after scaling and cropping."""
    first, final = images[0][0], fit.final(*images[0][1].size)
    for file, look in images:
        scaled = fit.scaled(*look.size)
        if scaled[0] * scaled[1] > LARGEST:
            raise InvalidInput(
                f"{file} is {_size(look.size)} pixels and would become {_size(scaled)}, which is too large; "
                "crop or remove it"
            )
        if (other := fit.final(*look.size)) != final:
            after, keys = (" after `resize`", "`crop`") if fit.resize else ("", "`size`, or `resize` and `crop`")
            raise InvalidInput(
                f"{first} is {_size(final)} pixels{after} (height x width), but {file} is {_size(other)}; "
                f"set {keys} to bring all images to one size"
            )
    return final


def _notices_of_layout(path: Path, trees: Mapping[str, Tree], classes: Sequence[str]) -> Iterator[str]:
    for part, tree in trees.items():
        expected = tree.folder.parent == path and part_named(tree.folder.name) == part and len(trees) > 1
        if tree.folder != path and not expected:
            yield f"{path}: the {part} images are those in {tree.folder}"
    if all(name.isdecimal() for name in classes) and list(classes) != sorted(classes, key=int):
        yield f"{path}: the classes are sorted as text: {_listed(classes)}; check that the model's outputs are, too"


def _notices_of_files(tree: Tree, path: Path) -> Iterator[str]:
    """Yield a line for each kind of files that are passed over, and for classes without images."""
    inside = [file for name in tree.classes for file in files_below(tree.folder / name)]
    kinds = {
        "not images that Foolflow reads": [file for file in inside if not is_image(file)],
        "several frames or pages": [file for file, look in tree.looks.items() if look.frames > 1],
        "in no class folder": visible(tree.folder)[1],
    }
    total = len(inside) + len(kinds["in no class folder"])
    for reason, files in kinds.items():
        if files:
            yield f"{path}: {len(files)} of {total} files passed over ({reason}), the first is {files[0]}"
    if empty := _without_images(tree):
        yield f"{path}: {len(empty)} of {len(tree.classes)} classes without images in {tree.folder}: {_listed(empty)}"


def _notices_of_images(tree: Tree, path: Path, fit: Fit) -> Iterator[str]:
    """Yield a line for what Foolflow does to images and what other readers may do in another way."""
    looks = tree.images.values()
    total = len(looks)
    if count := sum(look.transparent for look in looks):
        yield f"{path}: transparent pixels in {count} of {total} images were put on white"
    if count := sum(look.turned for look in looks):
        yield (
            f"{path}: the EXIF orientation turned {count} of {total} images upright; "
            "torchvision's ImageFolder does not turn them"
        )
    if count := sum(fit.pads(*look.size) for look in looks):
        yield f"{path}: `crop` added black borders to {count} of {total} images, which are smaller, as torchvision does"
    if cuts := [cut for look in looks if (cut := fit.cut(*look.size)) > MUCH]:
        yield (
            f"{path}: `size` cut up to {100 * max(cuts):.0f} % off {len(cuts)} of {total} images, unlike torchvision's "
            "Resize((h, w)), which distorts"
        )


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
