"""Intervals: of a rate, of a median, and of a value that has yet to be measured."""

from typing import Any

import numpy as np
from scipy.stats import binomtest, quantile_test, t

CONFIDENCE = 0.95  # of every interval in tables and figures


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval of a binomial proportion (Wilson 1927), as fractions; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """Interval of a median from the order statistics, without assuming a distribution (Conover 1999, section 3.2).

    values: (N,). NaN if there are too few to bound it.
    """
    if len(values) == 0:
        return float("nan"), float("nan")
    interval: Any = quantile_test(values, q=float(np.median(values)), p=0.5).confidence_interval(CONFIDENCE)
    return float(interval.low), float(interval.high)


def prediction_interval(values: np.ndarray) -> tuple[float, float]:
    """Where one more value lies, if all are normally distributed: mean ± t sd sqrt(1 + 1/N), of Student's t with N - 1
    degrees of freedom (Hahn and Meeker 1991, section 4.7).

    values: (N,). NaN if there are fewer than two.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    reach = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values))
    return float(np.mean(values) - reach), float(np.mean(values) + reach)


def in_percent(share: float) -> str:
    return f"{100 * share:.1f} %"
