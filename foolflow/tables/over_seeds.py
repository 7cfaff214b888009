"""What several training seeds say: how much of a number is the luck of one training."""

from collections.abc import Sequence

import pandas as pd

from foolflow.tables.writing import percent, percent_interval

MEAN = "mean"  # in the column `seed`, of what is about all seeds


def with_spread(data: pd.DataFrame, alike: Sequence[str], value: str) -> pd.DataFrame:
    """With the columns `mean_over_seeds` and `sd_over_seeds` (sample standard deviation), where there are several.

    data: a row for each victim, with `seed`.  alike: the columns that say which rows differ in their seed alone.
    value: the column that is averaged.
    """
    if data["seed"].nunique() < 2:
        return data
    likes = data.groupby(list(alike), sort=False, dropna=False)[value]
    return data.assign(mean_over_seeds=likes.transform("mean"), sd_over_seeds=likes.transform("std"))


def spread_text(mean: float, deviation: float, digits: int = 2) -> str:
    return f"{percent(mean, digits)} ± {percent(deviation, digits)}"


def rate_text(cell: pd.Series, rate: str) -> str:
    """cell: has `seed`, the rate under its name, `low` and `high`, or `sd` where it is a mean."""
    if pd.isna(cell[rate]):
        return ""
    if cell["seed"] == MEAN:
        return spread_text(cell[rate], cell["sd"], digits=1)
    return f"{percent(cell[rate], 1)} ({percent_interval(cell['low'], cell['high'], 1)})"
