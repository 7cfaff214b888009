"""Divide the images of a source into train, val and test."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from foolflow.data.splits import Split
from foolflow.errors import InvalidInput


def divide(source: Mapping[str, Split], dataset: Mapping[str, Any], seed: int) -> dict[str, Split]:
    """Return the splits of a data set: `train`, `val` and `test`, or `test` alone if it is only for evaluation.

    source: the images of the source, as `train`, `val` and `test`. What is missing is set aside from train, drawn with
        `seed` and stratified by class.
    dataset: the config entry. `val` and `test` are numbers of images to set aside. A data set that has neither `val`
        nor val images is only for evaluation: its test images, or all images if it has none, are the test split.
    The user's images are shuffled, so that the first images of a split cover the classes; published test splits keep
    their order.
    Raises InvalidInput if a data set to train on has only one class, `test` is missing, or there are too few images.
    """
    parts = dict(source)
    if "val" in dataset or "val" in source:
        parts = _three_parts(parts, dataset, seed)
    else:
        parts = {"test": parts["test" if "test" in parts else "train"]}
    if dataset["source"] in ("folder", "npz"):
        shuffle = np.random.default_rng(seed).permutation
        parts = {name: part.take(shuffle(len(part))) for name, part in parts.items()}
    return parts


def _three_parts(parts: Mapping[str, Split], dataset: Mapping[str, Any], seed: int) -> dict[str, Split]:
    train = parts["train"]
    if len(train.class_names) < 2:
        raise InvalidInput(f"datasets: all images are of one class, {train.class_names[0]!r}; two or more are needed")
    aside = {name: parts[name] for name in ("test", "val") if name in parts}
    for name, its_seed in (("test", seed), ("val", seed + 1)):
        if name not in parts:
            if name not in dataset:
                raise InvalidInput(
                    f"datasets: the source has no {name} images; set `{name}` to the number of images to set aside"
                )
            train, aside[name] = _set_aside(train, dataset[name], name, its_seed)
    return {"train": train, "val": aside["val"], "test": aside["test"]}


def _set_aside(split: Split, count: int, name: str, seed: int) -> tuple[Split, Split]:
    try:
        kept, aside = train_test_split(
            np.arange(len(split)), test_size=count, stratify=split.labels, random_state=seed % 2**32
        )
    except ValueError as error:
        raise InvalidInput(f"{name}: {count} of {len(split)} images cannot be set aside: {error}") from error
    return split.take(np.sort(kept)), split.take(np.sort(aside))
