"""Paired tests: two sets of predictions for the same images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests


@dataclass(frozen=True)
class PairedComparison:
    """right_to_wrong, wrong_to_right: number of pairs that changed in that direction.  p_value: two-sided.

    cohens_g: the fraction of the changes from right to wrong, minus 1/2 (Cohen 1988, chapter 5). 0.05 is a small
    effect, 0.15 medium, 0.25 large; 0.5 means all changes. 0 if nothing changed.
    """

    right_to_wrong: int
    wrong_to_right: int
    p_value: float
    cohens_g: float


def compare_paired(right_before: np.ndarray, right_after: np.ndarray) -> PairedComparison:
    """Run the exact McNemar test (McNemar 1947), a binomial test on the pairs that changed.

    right_before, right_after: bool (N,), in the same order.
    """
    worse = int((right_before & ~right_after).sum())
    better = int((~right_before & right_after).sum())
    both, neither = int((right_before & right_after).sum()), int((~right_before & ~right_after).sum())
    p_value = float(mcnemar([[both, worse], [better, neither]], exact=True).pvalue) if worse + better else 1.0
    return PairedComparison(worse, better, p_value, worse / (worse + better) - 0.5 if worse + better else 0.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values of a family of tests, adjusted after Holm (1979), in the given order."""
    return [float(value) for value in multipletests(list(p_values), method="holm")[1]] if p_values else []
