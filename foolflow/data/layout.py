"""Find the images in a user's folder: which files count, which folders are classes, and which are splits.

The rules import this module, so it has no heavy imports.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from foolflow.errors import InvalidInput

# File names that count as images. `foolflow/data/pixels.py` lists the formats that may be in them.
SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
        *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    )
)

# What operating systems and network drives leave in folders.
SYSTEM_NAMES = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "$recycle.bin", "system volume information"),
        *("lost+found", "@eadir", "#recycle", "#snapshot", "@tmp"),
    )
)

# The names by which folders of the parts of a data set are known, in lower case.
_PART = re.compile(r"(train|training|val|valid|validation|test|testing)([ _-]?(set|data|images))?")


def is_ignored(name: str) -> bool:
    """Return whether a file or folder of this name is hidden or belongs to the operating system."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def part_named(folder: str) -> str | None:
    """Return `train`, `val` or `test` if a folder's name means that part of a data set, in any capitalisation."""
    found = _PART.fullmatch(folder.lower())
    return next(part for part in ("train", "val", "test") if found[1].startswith(part)) if found else None


def visible(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders and the files in a folder, sorted by name, without those that are ignored.

    Links to folders are neither.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not is_ignored(entry.name)), key=lambda entry: entry.name)
    except OSError:
        return [], []
    folders = [Path(entry.path) for entry in found if entry.is_dir(follow_symlinks=False)]
    return folders, [Path(entry.path) for entry in found if entry.is_file()]


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and in the folders below it, in a fixed order, without those that are ignored."""
    folders, files = visible(folder)
    yield from files
    for inner in folders:
        yield from files_below(inner)


def image_files(folder: str) -> list[str]:
    """Return the files below a folder that are read as images."""
    return [str(file) for file in files_below(Path(folder)) if is_image(file)]


def parts_of(dataset: Mapping[str, Any]) -> dict[str, Path]:
    """Return the folders of class folders that the splits of a data set are read from.

    dataset: the config entry of a source `folder`.
    Returns one of
        {"test": ...}: an evaluation-only data set.
        {"train": ...}: val and test images are set aside from it.
        {"train": ..., "test": ...} or {"train": ..., "val": ...}: val or test images are set aside from train.
        {"train": ..., "val": ..., "test": ...}: used as they are.
    Raises InvalidInput if the layout is ambiguous or does not agree with `val:` and `test:`.
    """
    path = Path(dataset["path"])
    root = unwrapped(path)
    parts = _named_parts(root)
    counts = [key for key in ("val", "test") if key in dataset]
    for key in counts:
        if key in parts:
            raise InvalidInput(
                f"{key}: {dataset[key]} images would be set aside, but {path} has its own, in {parts[key]}; "
                f"remove `{key}:` or the folder"
            )
    if not parts:
        if counts == ["test"]:
            raise InvalidInput(
                "val: missing; give `val` and `test` to train on these images, or neither to test on all"
            )
        return {"train" if counts else "test": root}
    if "train" not in parts:
        if counts:
            raise InvalidInput(
                f"{counts[0]}: images cannot be set aside, because {path} has no folder train; remove it"
            )
        if "test" not in parts:
            raise InvalidInput(f"path: {path} has val but not test images; to test on them, write path: {parts['val']}")
        return {"test": parts["test"]}
    if "test" in parts:
        return parts if "val" in parts or counts else {"test": parts["test"]}
    if "val" in parts:
        if not counts:
            raise InvalidInput(
                f"path: {path} has train and val but no test images; to test on val, write path: {parts['val']}"
            )
        return parts
    if counts != ["val", "test"]:
        raise InvalidInput(
            f"path: {path} has only train images; to test on them, write path: {parts['train']}; "
            "to train on them, set `val` and `test` to the numbers of images to set aside"
        )
    return parts


def class_folder_names(dataset: Mapping[str, Any]) -> list[str]:
    """Return the names of the classes in the order of their labels: of the class folders in train, or in test.

    Raises InvalidInput as `parts_of` does.
    """
    parts = _named_parts(unwrapped(Path(dataset["path"])))
    folder = parts.get("train") or parts_of(dataset).get("test") or parts_of(dataset)["train"]
    return [inner.name for inner in visible(folder)[0]]


def unwrapped(path: Path) -> Path:
    """Return the folder with the layout, if `path` contains only that folder, as archives often unpack.

    Raises InvalidInput if that folder contains images as well as folders.
    """
    folders, _ = visible(path)
    if len(folders) != 1 or part_named(folders[0].name):
        return path
    inner_folders, inner_files = visible(folders[0])
    if not inner_folders:  # the only class
        return path
    if any(map(is_image, inner_files)):
        raise InvalidInput(
            f"path: {path} contains only the folder {folders[0].name}, which has both images and folders; "
            "write the path of the folder that has one folder for each class"
        )
    return unwrapped(folders[0])


def _named_parts(root: Path) -> dict[str, Path]:
    """Return the folders that the parts of a data set are read from; none if `root` contains class folders."""
    folders = visible(root)[0]
    parts: dict[str, Path] = {}
    for folder in folders:
        part = part_named(folder.name)
        if part in parts:
            raise InvalidInput(f"path: {parts[part]} and {folder} both mean the {part} images; keep one of them")
        if part is not None:
            parts[part] = folder
    if not parts:
        _check_classes(root, folders)
        return {}
    others = [folder for folder in folders if folder not in parts.values() and image_files(str(folder))]
    if others:
        names = ", ".join(folder.name for folder in parts.values())
        raise InvalidInput(
            f"path: {root} has folders of parts ({names}) next to others with images, such as {others[0].name}; "
            f"move the others away or, if all are classes, move all into {root / 'test'}"
        )
    return {part: _unwrapped_part(folder) for part, folder in parts.items()}


def _unwrapped_part(folder: Path) -> Path:
    """Return the folder of class folders of a part. Some archives repeat the name of the part: train/train/cat."""
    folders, _ = visible(folder)
    if len(folders) == 1 and part_named(folders[0].name) == part_named(folder.name):
        return _unwrapped_part(folders[0])
    found = unwrapped(folder)
    inner = visible(found)[0]
    if len({part_named(one.name) for one in inner} - {None}) > 1:
        raise InvalidInput(f"path: {found} has folders of parts itself; if they are meant, write path: {found}")
    _check_classes(found, inner)
    return found


def _check_classes(root: Path, folders: list[Path]) -> None:
    """Reject folders that look like parts of unknown names: several of them contain folders of the same name."""
    counted: Counter[str] = Counter()
    for folder in folders:
        inner = _only_folders(folder)
        if len(inner) == 1:
            inner = _only_folders(inner[0])
        if len(inner) > 1:  # a single one, such as n01443537/images, may be in every class
            counted.update(one.name for one in inner)
    name, count = max(sorted(counted.items()), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise InvalidInput(
            f"path: {count} folders in {root} have a folder named {name}, so they may be parts and not classes; write "
            "the path of one of them, or move the images of each class directly into its folder"
        )


def _only_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, or none as soon as an image is found: the rules look at every class folder."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_ignored(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    found.append(Path(entry.path))
                elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:  # noqa: PTH122 (a Path per file is slow)
                    return []
    except OSError:
        pass
    return found
