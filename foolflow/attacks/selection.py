"""Select the images of the test split that an attack runs on, and its target classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput


@dataclass(frozen=True)
class Selection:
    """R selected images. indices: int64 (R,), in the test split.  targets: int64 (R,); None: untargeted."""

    indices: np.ndarray
    targets: np.ndarray | None


def select(labels: np.ndarray, classes: int, entry: Mapping[str, Any]) -> Selection:
    """Select images and targets as the attack's config entry says.

    labels: int64 (N,), of the whole test split.  classes: the number of classes.
    entry: the following keys are used.
        images, per_class: the number of images from the start of the split, in total or per class (default: all).
        targets: `random`: a class drawn for each image of the split, the same for all attacks and victims. `all`: each
            image once towards each other class. A class number: all images of other classes towards that class.
            Absent: untargeted.
    Raises InvalidInput if the target class does not exist, if all selected images belong to it, or if there is no other
    class.
    """
    indices = _indices(labels, entry)
    if "targets" in entry and classes < 2:
        raise InvalidInput(
            "targets: the data set has a single class, so there is no other to aim at; leave targets out"
        )
    match entry.get("targets"):
        case None:
            return Selection(indices, None)
        case "random":
            steps = np.random.default_rng(derived_seed("targets")).integers(1, classes, size=len(labels))
            return Selection(indices, (labels[indices] + steps[indices]) % classes)
        case "all":
            repeated = np.repeat(indices, classes - 1)
            steps = np.tile(np.arange(1, classes), len(indices))
            return Selection(repeated, (labels[repeated] + steps) % classes)
        case target:
            if target >= classes:
                raise InvalidInput(
                    f"targets: {target} is not a class of this data set, whose classes are 0 to {classes - 1}"
                )
            others = indices[labels[indices] != target]
            if len(others) == 0:
                raise InvalidInput(
                    f"targets: all {len(indices)} selected images are of class {target}; select more images"
                )
            return Selection(others, np.full(len(others), target))


def _indices(labels: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    if "per_class" not in entry:
        return np.arange(len(labels))[: entry.get("images")]
    first = [np.flatnonzero(labels == label)[: entry["per_class"]] for label in np.unique(labels)]
    return np.sort(np.concatenate(first))
