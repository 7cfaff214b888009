"""Divide what a source has into train, val and test."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from foolflow.data.splits import Split
from foolflow.errors import InvalidInput


def divide(train: Split, test: Split | None, dataset: Mapping[str, Any], seed: int) -> dict[str, Split]:
    """Set `test` and `val` images aside, drawn from `seed` with every class in proportion; the rest is train.

    dataset: the config entry; `val` and, for a source without test images, `test` are numbers of images.
    The user's images are mixed, so that the first so many of a split hold every class; published test splits keep
    their order.
    Raises InvalidInput if there is but one class, too few images would be left, or `test` is missing.
    """
    if len(train.class_names) < 2:
        raise InvalidInput(f"datasets: all images are of one class, {train.class_names[0]!r}; two or more are needed")
    if test is None:
        if "test" not in dataset:
            raise InvalidInput(
                "datasets: the source has no test images of its own; say how many to set aside, test: ..."
            )
        train, test = _set_aside(train, dataset["test"], "test", seed)
    train, val = _set_aside(train, dataset["val"], "val", seed + 1)
    parts = {"train": train, "val": val, "test": test}
    if dataset["source"] in ("folder", "npz"):
        mix = np.random.default_rng(seed).permutation
        parts = {name: part.take(mix(len(part))) for name, part in parts.items()}
    return parts


def _set_aside(split: Split, count: int, name: str, seed: int) -> tuple[Split, Split]:
    try:
        kept, aside = train_test_split(
            np.arange(len(split)), test_size=count, stratify=split.labels, random_state=seed % 2**32
        )
    except ValueError as error:
        raise InvalidInput(f"{name}: {count} of {len(split)} images cannot be set aside: {error}") from error
    return split.take(np.sort(kept)), split.take(np.sort(aside))
