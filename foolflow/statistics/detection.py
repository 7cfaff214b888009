"""Measures of how well a score separates adversarial from clean images. Higher scores are more suspicious."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_curve

from foolflow.statistics.bootstrap import percentile_interval
from foolflow.statistics.intervals import wilson_interval

ROUNDING = 1e-9  # of a fraction times a count, so that 5 % of 10,000 is 500


def threshold_at(scores: np.ndarray, false_positives: float) -> float:
    """Return the smallest threshold that at most this fraction of the clean images exceeds.

    scores: (N,), of at least one clean image.  false_positives: at least 0, less than 1.
    """
    allowed = int(false_positives * len(scores) + ROUNDING)
    return float(np.sort(scores)[::-1][allowed])


@dataclass(frozen=True)
class Rate:
    """A proportion with its 95 % interval from `low` to `high`. The rate is NaN if `total` is 0."""

    count: int
    total: int
    rate: float
    low: float
    high: float


def rate_of(chosen: np.ndarray, image: np.ndarray | None = None) -> Rate:
    """Return the share of the chosen rows. chosen: bool (N,).

    image: int (N,), the image of the test split that each row was made from; None: each row has its own.

    The interval is Wilson's if no image has several rows. Otherwise it is that of a bootstrap over the images, because
    rows of one image are not independent. A bootstrap sees no variation if all rows or none are chosen; the interval is
    then Wilson's for as many trials as there are images.
    """
    count, total = int(chosen.sum()), len(chosen)
    rate = count / total if total else float("nan")
    if image is None or len(np.unique(image)) == total:
        return Rate(count, total, rate, *wilson_interval(count, total))
    known, place = np.unique(image, return_inverse=True)
    if count in (0, total):
        return Rate(count, total, rate, *wilson_interval(len(known) if count else 0, len(known)))
    rows = np.bincount(place, minlength=len(known))
    hits = np.bincount(place[chosen], minlength=len(known))
    interval = percentile_interval(len(known), lambda drawn: float(drawn @ hits) / float(drawn @ rows))
    return Rate(count, total, rate, *interval)


@dataclass(frozen=True)
class MeanRate:
    """The mean of several proportions with its 95 % interval. NaN if there is none. total: the number of images."""

    total: int
    rate: float
    low: float
    high: float


def mean_rate_of(sets: Sequence[tuple[np.ndarray, np.ndarray]]) -> MeanRate:
    """Return the mean of the shares of several sets, with equal weight, whatever their sizes. Empty sets do not count.

    sets: `chosen` and `image` of each, as for `rate_of`.

    The interval is that of a bootstrap over the images: an image is drawn together with its rows in every set. If all
    rows or none are chosen, it is Wilson's for as many trials as there are images.
    """
    images = np.unique(np.concatenate([image for _, image in sets]))
    counts = [
        [np.bincount(np.searchsorted(images, rows), minlength=len(images)) for rows in (image[chosen], image)]
        for chosen, image in sets
        if len(image)
    ]

    def mean(drawn: np.ndarray) -> float:
        shares = [float(drawn @ hits) / float(drawn @ rows) for hits, rows in counts if drawn @ rows]
        return sum(shares) / len(shares) if shares else float("nan")

    rate = mean(np.ones(len(images), np.int64))
    if not 0 < rate < 1:  # also NaN
        return MeanRate(len(images), rate, *wilson_interval(len(images) if rate == 1 else 0, len(images)))
    return MeanRate(len(images), rate, *percentile_interval(len(images), mean))


@dataclass(frozen=True)
class Area:
    """The area under a ROC curve, and its 95 % interval."""

    area: float
    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """The scores of some images. score: float (N,).  image: int (N,), of each row, its image in the test split."""

    score: np.ndarray
    image: np.ndarray


def area_under(clean: Scores, *adversarial: Scores) -> Area:
    """Return the area under the ROC curve with the interval of a bootstrap over the images.

    It is the probability that an adversarial image has a higher score than a clean one; equal scores count half. Of
    several adversarial sets, the mean of their areas, with equal weight, whatever their sizes.
    An image is drawn together with its clean score and the scores of all adversarial images made from it. The interval
    has no width if the scores are perfectly separated. Sets of fewer than two images do not count. NaN if none is left,
    or if there are fewer than two clean images.
    """
    known = [one for one in adversarial if len(one.score) >= 2]
    if len(clean.score) < 2 or not known:
        return Area(float("nan"), float("nan"), float("nan"))
    images = np.unique(np.concatenate([clean.image, *(one.image for one in known)]))
    order = np.argsort(clean.score, kind="stable")
    ordered, of_ordered = clean.score[order], np.searchsorted(images, clean.image)[order]
    places = [np.searchsorted(images, one.image) for one in known]
    below = [np.searchsorted(ordered, one.score, side="left") for one in known]
    not_above = [np.searchsorted(ordered, one.score, side="right") for one in known]

    def area(drawn: np.ndarray) -> float:
        up_to = np.concatenate([[0], np.cumsum(drawn[of_ordered])])
        areas = []
        for place, low, high in zip(places, below, not_above, strict=True):
            weight = drawn[place]
            if pairs := float(weight.sum()) * float(up_to[-1]):
                areas.append(float(weight @ (up_to[low] + up_to[high])) / (2 * pairs))
        return sum(areas) / len(areas) if areas else float("nan")

    return Area(area(np.ones(len(images), np.int64)), *percentile_interval(len(images), area))


@dataclass(frozen=True)
class RocCurve:
    """A ROC curve.

    false_positives, detected: float64 (K,), fractions of the clean and of the adversarial images, increasing.
    """

    false_positives: np.ndarray
    detected: np.ndarray

    @property
    def area(self) -> float:
        return float(np.trapezoid(self.detected, self.false_positives))


def roc(clean: np.ndarray, adversarial: np.ndarray) -> RocCurve:
    """Return the ROC curve. clean, adversarial: scores of at least one image each."""
    truth = np.arange(len(clean) + len(adversarial)) >= len(clean)
    false_positives, detected, _ = roc_curve(truth, np.concatenate([clean, adversarial]))
    return RocCurve(false_positives, detected)
