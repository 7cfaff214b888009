"""Compact letters in a table: which rows do not differ significantly, with the p-values behind them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from foolflow.statistics.groups import Pair, compact_letters
from foolflow.statistics.paired import SIGNIFICANT

LETTERS = "letters"
MEANING = (
    "Two rows share a letter if and only if they do not differ significantly at 5 %. A row may have several letters: "
    "if A does not differ from B, nor B from C, A and C may still differ (Piepho 2004)."
)


def versus(name: str) -> str:
    """Return the name of the column with the corrected p-values of the tests against the row of that name."""
    return f"p_holm_vs_{name}"


def lettered(names: Sequence[str], best_first: Sequence[int], p_values: Mapping[Pair, float]) -> pd.DataFrame:
    """Return a row for each name: its letters, and the corrected p-value of its test against each other name.

    best_first: the indices of the names, in order.  p_values: of all pairs of indices; empty: there is nothing to
    compare with, so there are no letters.
    """
    different = [pair for pair, p_value in p_values.items() if p_value < SIGNIFICANT]
    found = pd.DataFrame({LETTERS: compact_letters(best_first, different) if p_values else [""] * len(names)})
    for other, name in enumerate(names if p_values else []):
        found[versus(name)] = [
            p_values[min(index, other), max(index, other)] if index != other else np.nan for index in range(len(names))
        ]
    return found
