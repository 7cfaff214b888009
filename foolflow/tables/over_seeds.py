"""Means and standard deviations over training seeds."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from foolflow.tables.writing import percent, percent_interval

MEAN = "mean"  # in the column `seed`, for rows that average over seeds
SPREAD = "mean ± sd over seeds"


def with_spread(data: pd.DataFrame, alike: Sequence[str], value: str, prefix: str = "") -> pd.DataFrame:
    """Add the columns `mean_over_seeds` and `sd_over_seeds` (sample standard deviation) if there are several seeds.

    data: a row for each victim, with `seed`.  value: the column that is averaged.
    alike: columns whose values are equal in rows that differ only in their seed.
    prefix: of the names of the columns, for tables with several such values.
    """
    if data["seed"].nunique() < 2:
        return data
    likes = data.groupby(list(alike), sort=False, dropna=False)[value]
    with np.errstate(invalid="ignore"):  # of infinite distances
        spread = {"mean_over_seeds": likes.transform("mean"), "sd_over_seeds": likes.transform("std")}
    return data.assign(**{f"{prefix}{name}": values for name, values in spread.items()})


def spread_text(mean: float, deviation: float, digits: int = 2, text: Callable[[float, int], str] = percent) -> str:
    """Format a mean and a standard deviation, by default in percent; a single seed has no deviation."""
    return f"{text(mean, digits)} ± {text(deviation, digits)}" if pd.notna(deviation) else text(mean, digits)


def spread_column(
    data: pd.DataFrame,
    what: str,
    prefix: str = "",
    digits: int = 2,
    text: Callable[[float, int], str] = percent,
) -> dict[str, list[str]]:
    """Return the column of a display with the means and standard deviations; nothing if there is a single seed.

    data, prefix: from `with_spread`.  what: the heading of the column with the values themselves.
    """
    if f"{prefix}mean_over_seeds" not in data:
        return {}
    pairs = zip(data[f"{prefix}mean_over_seeds"], data[f"{prefix}sd_over_seeds"], strict=True)
    return {f"{what}, {SPREAD}": [spread_text(mean, deviation, digits, text) for mean, deviation in pairs]}


def spread_note(data: pd.DataFrame) -> list[str]:
    """Explain the column of `spread_column`; nothing if there is a single seed."""
    if data["seed"].nunique() < 2:
        return []
    return [
        "Mean ± sample standard deviation over the training seeds. It shows how much a training varies; the interval "
        "of each victim shows how much its number depends on the choice of the test images."
    ]


def rate_text(cell: pd.Series, rate: str) -> str:
    """Format a rate with its interval, or a mean with its `sd`. cell: has `seed`, the rate, `low` and `high`."""
    if pd.isna(cell[rate]):
        return ""
    if cell["seed"] == MEAN:
        return spread_text(cell[rate], cell["sd"], digits=1)
    return f"{percent(cell[rate], 1)} ({percent_interval(cell['low'], cell['high'], 1)})"
