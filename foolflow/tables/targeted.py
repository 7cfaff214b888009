"""Counts and distances of a targeted attack, for the tables of the stAdv study."""

from typing import Any

import pandas as pd

from foolflow.statistics.intervals import median_interval, wilson_interval

SIZES = ("displacement", "shift", "deformation", "ssim")  # of the flows, and of their effect on the images


def measure(records: pd.DataFrame, *, any_class: bool = False, clean_errors: bool = False) -> dict[str, Any]:
    """Measure success with Wilson's 95 % interval, and the median flow loss of the successes with its interval.

    The result also has the median of each of SIZES that the records have, over the successes.
    records: of one attack, with the columns of `foolflow.attacks.judging.judge`.
    any_class: any wrong class is a success, not only the target.
    clean_errors: include images that the victim misclassifies without an attack.
    """
    counted = records if clean_errors else records[records["clean_prediction"] == records["label"]]
    won = counted["prediction"] != counted["label"] if any_class else counted["success"]
    low, high = wilson_interval(int(won.sum()), len(counted))
    fooled = counted.loc[won, "flow_loss"].to_numpy()
    sizes = {f"median_{name}": counted.loc[won, name].median() for name in SIZES if name in counted}
    flow_low, flow_high = median_interval(fooled)
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


def number(value: float, digits: int = 1) -> str:
    return "" if pd.isna(value) else f"{value:,.{digits}f}"
