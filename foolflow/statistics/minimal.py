"""How far the nearest adversarial images are that attacks found; an image that was not fooled is infinitely far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from foolflow.statistics.intervals import wilson_interval


def distances(records: pd.DataFrame) -> pd.Series:
    """The L2 distance at which each image was fooled, by its place in the test split.

    records: of one attack, one row an image.
    0: the victim got the image wrong before the attack; infinite: the attack did not fool it.
    """
    fooled = records["l2"].where(records["success"], np.inf)
    right = records["clean_prediction"] == records["label"]
    return fooled.where(right, 0.0).set_axis(records["index"])


def nearest(found: Sequence[pd.Series]) -> pd.Series:
    """The smallest of each image's distances over several attacks."""
    return pd.concat(found, axis=1).min(axis=1)


def quantile(values: pd.Series, share: float) -> float:
    """The smallest distance within which at least that share of the images was fooled; infinite if there is none.

    Nothing is interpolated, so values may be infinite. NaN if there are no values.
    """
    return float(np.quantile(values, share, method="inverted_cdf")) if len(values) else float("nan")


@dataclass(frozen=True)
class SecurityCurve:
    """Steps: accuracy[i] is that against an adversary who may move images by `distance[i]` or more, less than the
    next. low, high: its Wilson 95 % interval. All float64 (K,); accuracies are fractions of all images."""

    distance: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray


def security_curve(values: pd.Series) -> SecurityCurve:
    """Robust accuracy against distance, from 0 (clean accuracy) to the largest finite distance.

    values: as `distances` gives them, of all images, at least one.
    """
    ordered = np.sort(values.to_numpy())
    steps = np.unique(np.concatenate([[0.0], ordered[np.isfinite(ordered)]]))
    standing = len(ordered) - np.searchsorted(ordered, steps, side="right")
    intervals = np.array([wilson_interval(int(count), len(ordered)) for count in standing])
    return SecurityCurve(steps, standing / len(ordered), intervals[:, 0], intervals[:, 1])
