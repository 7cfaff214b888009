"""How well a score tells adversarial images from clean ones. A higher score is more suspect."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_auc_score, roc_curve

from foolflow.statistics.intervals import wilson_interval

ROUNDING = 1e-9  # of a share times a count, so that 5 % of 10,000 are 500


def threshold_at(scores: np.ndarray, false_positives: float) -> float:
    """The least threshold above which at most that share of these clean images scores.

    scores: (N,), one at least.  false_positives: 0 to 1, less than 1.
    """
    allowed = int(false_positives * len(scores) + ROUNDING)
    return float(np.sort(scores)[::-1][allowed])


@dataclass(frozen=True)
class Rate:
    """How many of how many; `low` and `high` are Wilson's 95 % interval. The rate of none is NaN."""

    count: int
    total: int
    rate: float
    low: float
    high: float


def rate_of(chosen: np.ndarray) -> Rate:
    """chosen: bool (N,)."""
    count, total = int(chosen.sum()), len(chosen)
    return Rate(count, total, count / total if total else float("nan"), *wilson_interval(count, total))


@dataclass(frozen=True)
class Area:
    """The area under a ROC curve, and its 95 % interval."""

    area: float
    low: float
    high: float


def area_under(clean: np.ndarray, adversarial: np.ndarray, confidence: float = 0.95) -> Area:
    """The area, with DeLong's interval (DeLong et al. 1988, by ranks after Sun and Xu 2014), cut to [0, 1].

    clean, adversarial: the scores of either. The images of both are taken for independent. Where all of one are above
    all of the other, the interval has no width. NaN if there are fewer than two of either.
    """
    if min(len(clean), len(adversarial)) < 2:
        return Area(float("nan"), float("nan"), float("nan"))
    scores = np.concatenate([adversarial, clean])
    truth = np.arange(len(scores)) < len(adversarial)
    ranks = rankdata(scores)
    below = (ranks[truth] - rankdata(adversarial)) / len(clean)  # the share of clean images below each adversarial one
    above = 1 - (ranks[~truth] - rankdata(clean)) / len(adversarial)
    deviation = np.sqrt(below.var(ddof=1) / len(adversarial) + above.var(ddof=1) / len(clean))
    area = float(roc_auc_score(truth, scores))
    reach = float(norm.ppf((1 + confidence) / 2) * deviation)
    return Area(area, max(0.0, area - reach), min(1.0, area + reach))


@dataclass(frozen=True)
class RocCurve:
    """false_positives, detected: float64 (K,), shares of the clean and of the adversarial images, both rising."""

    false_positives: np.ndarray
    detected: np.ndarray


def roc(clean: np.ndarray, adversarial: np.ndarray) -> RocCurve:
    """clean, adversarial: the scores of either, one at least."""
    truth = np.arange(len(clean) + len(adversarial)) >= len(clean)
    false_positives, detected, _ = roc_curve(truth, np.concatenate([clean, adversarial]))
    return RocCurve(false_positives, detected)
