"""Distances to the nearest adversarial images that attacks found; infinite where no attack succeeded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import wilson_interval


def distances(records: pd.DataFrame, measured: str = "l2") -> pd.Series:
    """Return the distance of each adversarial image, by its index in the test split.

    records: those of one attack, one row per image.
    measured: the column that is the distance, such as `l2`, or stAdv's `flow_loss` or `displacement`.
    The distance is 0 for a clean error, and infinite where the attack failed.
    """
    fooled = records[measured].where(records["success"], np.inf)
    right = right_before(records)
    return fooled.where(right, 0.0).set_axis(records["index"])


def nearest(found: Sequence[pd.Series]) -> pd.Series:
    """Return the smallest distance of each image over several attacks."""
    return pd.concat(found, axis=1).min(axis=1)


def quantile(values: pd.Series, share: float) -> float:
    """Return the smallest distance within which at least this fraction of the images was fooled, or infinity.

    Nothing is interpolated, so values may be infinite. NaN without values.
    """
    return float(np.quantile(values, share, method="inverted_cdf")) if len(values) else float("nan")


@dataclass(frozen=True)
class SecurityCurve:
    """A step function: accuracy[i] is the accuracy under a budget of at least distance[i] and below distance[i + 1].

    low, high: Wilson's 95 % interval. All are float64 (K,); accuracies are fractions of all images.
    """

    distance: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class NoiseCurve:
    """The accuracy under random noise of several sizes, the smallest first, which is 0: the clean images.

    distance: mean L2 distance of the images that were changed.  low, high: Wilson's 95 % interval of the accuracy.
    All are float64 (K,); accuracies are fractions of all images.
    """

    distance: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray


def noise_curve(records: pd.DataFrame) -> NoiseCurve:
    """Return the accuracy against the distance that is left of the noise once images are clipped to [0, 1].

    records: those of a `corrupt` attack at several epsilons, one row per image and epsilon.
    """
    clean = right_before(records)
    right = records["prediction"] == records["label"]
    rows = []
    for _, same in records.groupby("epsilon"):
        changed = same["l2"][same["l2"] > 0]
        rows.append((changed.mean() if len(changed) else 0.0, int(right[same.index].sum()), len(same)))
    first = records.groupby("epsilon").get_group(records["epsilon"].min())
    rows.append((0.0, int(clean[first.index].sum()), len(first)))
    found = np.array([(distance, count / n, *wilson_interval(count, n)) for distance, count, n in sorted(rows)])
    return NoiseCurve(*found.T)


def security_curve(values: pd.Series) -> SecurityCurve:
    """Return robust accuracy as a function of distance, from 0 (clean accuracy) to the largest finite distance.

    values: from `distances`, of all images, at least one.
    """
    ordered = np.sort(values.to_numpy())
    steps = np.unique(np.concatenate([[0.0], ordered[np.isfinite(ordered)]]))
    standing = len(ordered) - np.searchsorted(ordered, steps, side="right")
    intervals = np.array([wilson_interval(int(count), len(ordered)) for count in standing])
    return SecurityCurve(steps, standing / len(ordered), intervals[:, 0], intervals[:, 1])
