"""Rates of several seeds in one table: each with its interval, and their mean with its standard deviation."""

import pandas as pd

from foolflow.tables.writing import percent, percent_interval

MEAN = "mean"  # in the column `seed`, of what is about all seeds


def rate_text(cell: pd.Series, rate: str) -> str:
    """cell: has `seed`, the rate under its name, `low` and `high`, or `sd` where it is a mean."""
    if pd.isna(cell[rate]):
        return ""
    if cell["seed"] == MEAN:
        return f"{percent(cell[rate], 1)} ± {percent(cell['sd'], 1)}"
    return f"{percent(cell[rate], 1)} ({percent_interval(cell['low'], cell['high'], 1)})"
