"""Success and distortion of a targeted attack as a function of each parameter, with the others fixed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.tables.links import links, to_images
from foolflow.tables.targeted import measure, number
from foolflow.tables.wording import overlap, rate_with_n
from foolflow.tables.writing import Table, percent, percent_intervals, points


@dataclass(frozen=True)
class Setting:
    """One value of one varied parameter. cell: names the victim and the attack.  value: text or a number."""

    cell: Mapping[str, Any]
    parameter: str
    value: object
    records: pd.DataFrame


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table.

    spec: title; fixed, the parameters that all settings share, as text; settings, cells with parameter and value.
    """
    settings = [Setting(cell, cell["parameter"], cell["value"], artefacts.records(cell)) for cell in spec["settings"]]
    return tabulate(spec["title"], settings, spec["fixed"])


def tabulate(title: str, settings: Sequence[Setting], fixed: str) -> Table:
    """Build the table. fixed: the parameters that all settings share, as text, such as `tau 0.005, kappa 0.1`."""
    data = pd.DataFrame(
        [
            {"model": one.cell["model"], "parameter": one.parameter, "value": str(one.value), **measure(one.records)}
            for one in settings
        ]
    )
    display = pd.DataFrame(
        {
            "model": data["model"],
            "parameter": data["parameter"],
            "value": data["value"],
            "success %": data["success"].map(percent),
            "95 % interval": percent_intervals(data),
            "n": data["n"].map("{:,}".format),
            "median flow loss": data["median_flow_loss"].map(number),
            "its 95 % interval": [
                "" if pd.isna(low) else f"{number(low)} to {number(high)}"
                for low, high in zip(data["flow_low"], data["flow_high"], strict=True)
            ],
            "evaluations per image": data["gradient_evaluations"].map(number),
        }
    )
    numbers = [str(name) for name in display if name not in ("model", "parameter", "value")]
    return Table(
        title=title,
        data=data,
        display=display,
        findings=[sentence for _, rows in data.groupby("model", sort=False) for sentence in _findings(rows, fixed)],
        best={"success %": "highest"},
        best_within=["model"],
        images=links(display, [dict.fromkeys(numbers, to_images(one.cell)) for one in settings]),
        notes=[
            f"One parameter is varied at a time; otherwise: {fixed}.",
            "Success: the percentage of the n correctly classified images that are classified as their target, with "
            "Wilson's 95 % interval. The median flow loss is that of the successes, with an interval from the order "
            "statistics.",
        ],
    )


def _findings(rows: pd.DataFrame, fixed: str) -> Iterator[str]:
    """Say for one model which parameter moves the success and which the flow loss most."""
    model, tried = rows["model"].iloc[0], list(_by_parameter(rows, fixed))
    success = [found for found in (_range(name, values, "success") for name, values in tried) if found]
    if not success:
        yield f"On {model}, no parameter has two values whose success is known."
        return
    success.sort(key=lambda found: -found.size)
    most, others = success[0], success[1:]
    if most.size == 0:
        yield f"On {model}, no parameter changes the success, {percent(most.top['success'])} %."
    else:
        rest = (
            f" The next parameter, {others[0].parameter}, changes it by {points(others[0].size)} points."
            if others and others[0].size
            else " No other parameter changes it."
            if others
            else ""
        )
        yield (
            f"On {model}, {most.parameter} changes the success most, by {points(most.size)} points: "
            f"{_success(most.top)}, against {_success(most.bottom)}; {overlap(most.top, most.bottom)}.{rest}"
        )
    loss = [found for found in (_range(name, values, "median_flow_loss") for name, values in tried) if found]
    if loss and (widest := max(loss, key=lambda found: found.size)).size:
        bottom, top = widest.bottom, widest.top
        yield (
            f"On {model}, {widest.parameter} changes the median flow loss most: from "
            f"{number(bottom['median_flow_loss'])} at {bottom['parameter']} {bottom['value']} to "
            f"{number(top['median_flow_loss'])} at {top['parameter']} {top['value']}."
        )


def _success(row: pd.Series) -> str:
    rate = rate_with_n(row["success"], row["n"], row["low"], row["high"], digits=2)
    return f"{rate} at {row['parameter']} {row['value']}"


@dataclass(frozen=True)
class _Range:
    parameter: str
    top: pd.Series
    bottom: pd.Series
    size: float


def _range(parameter: str, rows: pd.DataFrame, measured: str) -> _Range | None:
    """Return the rows with the highest and the lowest value of a measure; None if fewer than two have one."""
    known = rows.dropna(subset=measured)
    if len(known) < 2:
        return None
    top, bottom = known.nlargest(1, measured).iloc[0], known.nsmallest(1, measured).iloc[0]
    return _Range(parameter, top, bottom, float(top[measured] - bottom[measured]))


def _by_parameter(rows: pd.DataFrame, fixed: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each parameter with its rows.

    A row whose value is the fixed one shows the unchanged attack, so it also belongs to parameters that do not list
    their own fixed value.
    """
    shared = set(fixed.split(", "))
    unchanged = rows[(rows["parameter"] + " " + rows["value"]).isin(shared)]
    for parameter, values in rows.groupby("parameter", sort=False):
        own = values.index.intersection(unchanged.index)
        yield str(parameter), values if len(own) else pd.concat([values, unchanged.head(1)])
