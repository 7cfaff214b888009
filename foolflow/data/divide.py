"""Divide the images of a source into train, val and test."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from foolflow.data.splits import Split
from foolflow.errors import InvalidInput


def divide(train: Split, test: Split | None, dataset: Mapping[str, Any], seed: int) -> dict[str, Split]:
    """Set aside `test` and `val` images, drawn with `seed` and stratified by class; the rest is train.

    dataset: the config entry. `val` is a number of images; so is `test`, if the source has no test images.
    The user's images are shuffled, so that the first images of a split cover every class; published test splits keep
    their order.
    Raises InvalidInput if there is only one class, `test` is missing, or there are too few images.
    """
    if len(train.class_names) < 2:
        raise InvalidInput(f"datasets: all images are of one class, {train.class_names[0]!r}; two or more are needed")
    if test is None:
        if "test" not in dataset:
            raise InvalidInput(
                "datasets: the source has no test images; set `test` to the number of images to set aside"
            )
        train, test = _set_aside(train, dataset["test"], "test", seed)
    train, val = _set_aside(train, dataset["val"], "val", seed + 1)
    parts = {"train": train, "val": val, "test": test}
    if dataset["source"] in ("folder", "npz"):
        shuffle = np.random.default_rng(seed).permutation
        parts = {name: part.take(shuffle(len(part))) for name, part in parts.items()}
    return parts


def _set_aside(split: Split, count: int, name: str, seed: int) -> tuple[Split, Split]:
    try:
        kept, aside = train_test_split(
            np.arange(len(split)), test_size=count, stratify=split.labels, random_state=seed % 2**32
        )
    except ValueError as error:
        raise InvalidInput(f"{name}: {count} of {len(split)} images cannot be set aside: {error}") from error
    return split.take(np.sort(kept)), split.take(np.sort(aside))
