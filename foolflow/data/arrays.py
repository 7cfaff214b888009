"""Choose the arrays of a user's npz file that the splits are read from.

The rules import this module, so it has no heavy imports.
"""

import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from foolflow.errors import InvalidInput


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in an npz file, without reading them; none if it is not such a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):  # the job reports it
        return []


def pairs_of(dataset: Mapping[str, Any], names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return the names of the images and of the labels of each split; the file may lack some of them.

    dataset: the config entry of a source `npz`.  names: of the arrays in its file.
    Returns `train` alone, from which val and test images are set aside; `train` and `test`, if val images are set aside
    from train; all three, if the file has val images; or `test` alone: an evaluation-only data set.
    Raises InvalidInput if images of a split would be set aside that the file has.
    """
    if not {"x_train", "x_test"} & set(names):
        return {"train" if "val" in dataset else "test": ("images", "labels")}
    own = {part: (f"x_{part}", f"y_{part}") for part in ("train", "val", "test")}
    for part in ("val", "test"):
        if part in dataset and f"x_{part}" in names:
            raise InvalidInput(
                f"{part}: {dataset[part]} images would be set aside, but {dataset['path']} has its own, in x_{part}; "
                f"remove `{part}:` or the array"
            )
    if "x_train" in names and "x_val" in names:
        return own
    return {part: own[part] for part in (("train", "test") if "val" in dataset else ("test",))}
