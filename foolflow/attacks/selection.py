"""Which images of the test split an attack is run on, and towards which classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput


@dataclass(frozen=True)
class Selection:
    """indices: int64 (R,), places in the test split.  targets: int64 (R,), or None for an attack without targets."""

    indices: np.ndarray
    targets: np.ndarray | None


def select(labels: np.ndarray, classes: int, entry: Mapping[str, Any]) -> Selection:
    """What a config entry asks for.

    labels: int64 (N,), of the whole test split.  classes: how many there are.
    entry: `images`, the first so many, or `per_class`, the first so many of each class (default: all); and `targets`:
        `random`, a class drawn for each image of the split, the same for every attack and victim; `all`, each image
        once towards each other class; a class number, all images of other classes towards it; or none.
    Raises InvalidInput if the class is none of the data set's, or all images are of it.
    """
    indices = _indices(labels, entry)
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
                raise InvalidInput(f"targets: {target} is no class of this data set, which has 0 to {classes - 1}")
            others = indices[labels[indices] != target]
            if len(others) == 0:
                raise InvalidInput(f"targets: all {len(indices)} images chosen are of class {target}; take more")
            return Selection(others, np.full(len(others), target))


def _indices(labels: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    if "per_class" not in entry:
        return np.arange(len(labels))[: entry.get("images")]
    first = [np.flatnonzero(labels == label)[: entry["per_class"]] for label in np.unique(labels)]
    return np.sort(np.concatenate(first))
