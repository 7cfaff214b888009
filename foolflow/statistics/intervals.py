"""Confidence intervals of a rate and of a median."""

from typing import Any

import numpy as np
from scipy.stats import binomtest, quantile_test

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
