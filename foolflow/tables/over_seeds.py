"""Means and standard deviations over training seeds."""

from collections.abc import Sequence

import pandas as pd

from foolflow.tables.writing import percent, percent_interval

MEAN = "mean"  # in the column `seed`, for rows that average over seeds


def with_spread(data: pd.DataFrame, alike: Sequence[str], value: str) -> pd.DataFrame:
    """Add the columns `mean_over_seeds` and `sd_over_seeds` (sample standard deviation) if there are several seeds.

    data: a row for each victim, with `seed`.  value: the column that is averaged.
    alike: columns whose values are equal in rows that differ only in their seed.
    """
    if data["seed"].nunique() < 2:
        return data
    likes = data.groupby(list(alike), sort=False, dropna=False)[value]
    return data.assign(mean_over_seeds=likes.transform("mean"), sd_over_seeds=likes.transform("std"))


def spread_text(mean: float, deviation: float, digits: int = 2) -> str:
    """Format a mean and a standard deviation in percent; the mean alone if a single seed has no deviation."""
    return f"{percent(mean, digits)} ± {percent(deviation, digits)}" if pd.notna(deviation) else percent(mean, digits)


def rate_text(cell: pd.Series, rate: str) -> str:
    """Format a rate with its interval, or a mean with its `sd`. cell: has `seed`, the rate, `low` and `high`."""
    if pd.isna(cell[rate]):
        return ""
    if cell["seed"] == MEAN:
        return spread_text(cell[rate], cell["sd"], digits=1)
    return f"{percent(cell[rate], 1)} ({percent_interval(cell['low'], cell['high'], 1)})"
