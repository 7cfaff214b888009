"""Measures of how well a score separates adversarial from clean images. Higher scores are more suspicious."""

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


def area_under(clean: Scores, adversarial: Scores) -> Area:
    """Return the area under the ROC curve with the interval of a bootstrap over the images.

    It is the probability that an adversarial image has a higher score than a clean one; equal scores count half.
    An image is drawn together with its clean score and the scores of all adversarial images made from it. The interval
    has no width if the scores are perfectly separated. NaN if there are fewer than two of either.
    """
    if min(len(clean.score), len(adversarial.score)) < 2:
        return Area(float("nan"), float("nan"), float("nan"))
    images, place = np.unique(np.concatenate([clean.image, adversarial.image]), return_inverse=True)
    of_clean, of_adversarial = place[: len(clean.image)], place[len(clean.image) :]
    order = np.argsort(clean.score, kind="stable")
    ordered, of_ordered = clean.score[order], of_clean[order]
    below = np.searchsorted(ordered, adversarial.score, side="left")
    not_above = np.searchsorted(ordered, adversarial.score, side="right")

    def area(drawn: np.ndarray) -> float:
        up_to = np.concatenate([[0], np.cumsum(drawn[of_ordered])])
        weight = drawn[of_adversarial]
        pairs = float(weight.sum()) * float(up_to[-1])
        return float(weight @ (up_to[below] + up_to[not_above])) / (2 * pairs) if pairs else float("nan")

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
