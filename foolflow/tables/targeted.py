"""Counts and distances of a targeted attack, for the tables of the stAdv study."""

from typing import Any

import pandas as pd

from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import median_interval, wilson_interval

SIZES = ("displacement", "shift", "deformation", "ssim")  # of the flows, and of their effect on the images


def measure(records: pd.DataFrame, *, any_class: bool = False, clean_errors: bool = False) -> dict[str, Any]:
    """Measure success with Wilson's 95 % interval, and the median flow loss of the successes with its interval.

    The result also has the median, with its interval, of each of SIZES that the records have, over the successes.
    records: of one attack, with the columns of `foolflow.attacks.judging.judge`.
    any_class: any wrong class is a success, not only the target.
    clean_errors: include images that the victim misclassifies without an attack.
    """
    counted = records if clean_errors else records[right_before(records)]
    won = counted["prediction"] != counted["label"] if any_class else counted["success"]
    low, high = wilson_interval(int(won.sum()), len(counted))
    fooled = counted.loc[won, "flow_loss"].to_numpy()
    flow_low, flow_high = median_interval(fooled)
    sizes: dict[str, float] = {}
    for name in (one for one in SIZES if one in counted):
        sizes |= median_of(counted.loc[won, name], f"median_{name}")
    return {
        "n": len(counted),
        "count": int(won.sum()),
        "success": float(won.mean()) if len(counted) else float("nan"),
        "low": low,
        "high": high,
        "median_flow_loss": float(pd.Series(fooled).median()),
        "flow_low": flow_low,
        "flow_high": flow_high,
        **sizes,
        "gradient_evaluations": float(counted["gradient_evaluations"].mean()),
    }


def median_of(values: pd.Series, name: str) -> dict[str, float]:
    """Return a median with its interval from the order statistics, in columns that begin with the name."""
    bounds = zip((f"{name}_low", f"{name}_high"), median_interval(values.to_numpy()), strict=True)
    return {name: float(values.median()), **dict(bounds)}


def with_interval(
    data: pd.DataFrame, value: str, low: str | None = None, high: str | None = None, digits: int = 1
) -> list[str]:
    """Format the medians of a column for readers, each with its interval, such as `46.1 (40.2 to 50.3)`.

    low, high: the columns with the bounds (default: the name of the column of the value, followed by _low and _high).
    """
    columns = data[[value, low or f"{value}_low", high or f"{value}_high"]].itertuples(index=False, name=None)
    return [
        f"{number(one, digits)} ({number(lowest, digits)} to {number(highest, digits)})"
        if pd.notna(lowest)
        else number(one, digits)
        for one, lowest, highest in columns
    ]


def number(value: float, digits: int = 1) -> str:
    return "" if pd.isna(value) else f"{value:,.{digits}f}"
