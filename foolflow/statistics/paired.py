"""Paired tests: two sets of predictions, or of distances, for the same images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata, wilcoxon
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

SIGNIFICANT = 0.05  # a difference is claimed if the corrected p-value is below it


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


@dataclass(frozen=True)
class DistanceComparison:
    """shorter, longer: number of images whose distance is shorter or longer in the first set.  p_value: two-sided.

    rank_biserial: the matched-pairs rank-biserial correlation (Kerby 2014), from -1 (the first distance is never
    longer) to 1 (never shorter); 0 if nothing differs.
    """

    shorter: int
    longer: int
    p_value: float
    rank_biserial: float

    @property
    def first_is_shorter(self) -> bool:
        """Whether the difference, significant or not, is in favour of the first set."""
        return self.rank_biserial < 0


def compare_distances(one: np.ndarray, other: np.ndarray) -> DistanceComparison:
    """Run the Wilcoxon signed-rank test (Wilcoxon 1945) on the differences of the distances.

    one, other: float (N,), at least 0, of the same images in the same order; infinite where the attack failed.

    A failure is longer than any distance: its difference from a success gets the highest rank, which all such
    differences share. Images on which the distances are equal, including two failures, are left out, as Wilcoxon did.
    Equal differences share their mean rank. The p-value is exact for up to 50 images without shared ranks and for up to
    13 with them; otherwise it is that of the normal approximation with the variance of the shared ranks.
    """
    with np.errstate(invalid="ignore"):
        difference = np.where(one == other, 0.0, one - other)
    difference = difference[difference != 0]
    if len(difference) == 0:
        return DistanceComparison(0, 0, 1.0, 0.0)
    ranks = np.sign(difference) * rankdata(np.abs(difference))
    # The test uses nothing but the signed ranks, which are finite.
    p_value = float(wilcoxon(ranks).pvalue)
    return DistanceComparison(
        shorter=int((difference < 0).sum()),
        longer=int((difference > 0).sum()),
        p_value=min(p_value, 1.0),
        rank_biserial=float(ranks.sum() / np.abs(ranks).sum()),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values of a family of tests, adjusted after Holm (1979), in the given order."""
    return [float(value) for value in multipletests(list(p_values), method="holm")[1]] if p_values else []


def holm_of_known(p_values: pd.Series) -> pd.Series:
    """Correct the p-values of a column as one family. Rows without one, which were not tested, keep NaN."""
    known = p_values.dropna()
    return pd.Series(holm(known.tolist()), index=known.index, dtype=float).reindex(p_values.index)
