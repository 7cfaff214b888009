"""Measures of how well a score separates adversarial from clean images. Higher scores are more suspicious."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_auc_score, roc_curve

from foolflow.statistics.intervals import CONFIDENCE, wilson_interval

ROUNDING = 1e-9  # of a fraction times a count, so that 5 % of 10,000 is 500


def threshold_at(scores: np.ndarray, false_positives: float) -> float:
    """Return the smallest threshold that at most this fraction of the clean images exceeds.

    scores: (N,), of at least one clean image.  false_positives: at least 0, less than 1.
    """
    allowed = int(false_positives * len(scores) + ROUNDING)
    return float(np.sort(scores)[::-1][allowed])


@dataclass(frozen=True)
class Rate:
    """A proportion with Wilson's 95 % interval from `low` to `high`. The rate is NaN if `total` is 0."""

    count: int
    total: int
    rate: float
    low: float
    high: float


def rate_of(chosen: np.ndarray) -> Rate:
    """Return the share of the chosen images. chosen: bool (N,)."""
    count, total = int(chosen.sum()), len(chosen)
    return Rate(count, total, count / total if total else float("nan"), *wilson_interval(count, total))


@dataclass(frozen=True)
class Area:
    """The area under a ROC curve, and its 95 % interval."""

    area: float
    low: float
    high: float


def area_under(clean: np.ndarray, adversarial: np.ndarray) -> Area:
    """Return the area with DeLong's interval (DeLong et al. 1988, by ranks after Sun and Xu 2014), cut to [0, 1].

    clean, adversarial: scores of clean and adversarial images, which are assumed to be independent. The interval has no
    width if the scores are perfectly separated. NaN if there are fewer than two of either.
    """
    if min(len(clean), len(adversarial)) < 2:
        return Area(float("nan"), float("nan"), float("nan"))
    scores = np.concatenate([adversarial, clean])
    truth = np.arange(len(scores)) < len(adversarial)
    ranks = rankdata(scores)
    below = (ranks[truth] - rankdata(adversarial)) / len(clean)  # fraction of clean images below each adversarial one
    above = 1 - (ranks[~truth] - rankdata(clean)) / len(adversarial)
    deviation = np.sqrt(below.var(ddof=1) / len(adversarial) + above.var(ddof=1) / len(clean))
    area = float(roc_auc_score(truth, scores))
    reach = float(norm.ppf((1 + CONFIDENCE) / 2) * deviation)
    return Area(area, max(0.0, area - reach), min(1.0, area + reach))


@dataclass(frozen=True)
class RocCurve:
    """A ROC curve.

    false_positives, detected: float64 (K,), fractions of the clean and of the adversarial images, increasing.
    """

    false_positives: np.ndarray
    detected: np.ndarray


def roc(clean: np.ndarray, adversarial: np.ndarray) -> RocCurve:
    """Return the ROC curve. clean, adversarial: scores of at least one image each."""
    truth = np.arange(len(clean) + len(adversarial)) >= len(clean)
    false_positives, detected, _ = roc_curve(truth, np.concatenate([clean, adversarial]))
    return RocCurve(false_positives, detected)
