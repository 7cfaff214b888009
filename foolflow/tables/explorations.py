"""Success and distortion of a targeted attack as a function of each parameter, with the others fixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.tables.targeted import measure, number
from foolflow.tables.writing import Table, percent, percent_interval


@dataclass(frozen=True)
class Setting:
    """One value of one varied parameter. value: text or a number."""

    model: str
    parameter: str
    value: object
    records: pd.DataFrame


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table.

    spec: title; fixed, the parameters that all settings share, as text; settings, cells with parameter and value.
    """
    settings = [
        Setting(cell["model"], cell["parameter"], cell["value"], artefacts.records(cell)) for cell in spec["settings"]
    ]
    return tabulate(spec["title"], settings, spec["fixed"])


def tabulate(title: str, settings: Sequence[Setting], fixed: str) -> Table:
    """Build the table. fixed: the parameters that all settings share, as text."""
    data = pd.DataFrame(
        [
            {"model": one.model, "parameter": one.parameter, "value": str(one.value), **measure(one.records)}
            for one in settings
        ]
    )
    display = pd.DataFrame(
        {
            "model": data["model"],
            "parameter": data["parameter"],
            "value": data["value"],
            "success %": data["success"].map(percent),
            "95 % interval": [percent_interval(*row) for row in zip(data["low"], data["high"], strict=True)],
            "n": data["n"].map("{:,}".format),
            "median flow loss": data["median_flow_loss"].map(number),
            "its 95 % interval": [
                f"{number(low)} to {number(high)}"
                for low, high in zip(data["flow_low"], data["flow_high"], strict=True)
            ],
            "evaluations per image": data["gradient_evaluations"].map(number),
        }
    )
    return Table(
        title=title,
        data=data,
        display=display,
        notes=[
            f"One parameter is varied at a time; otherwise: {fixed}.",
            "Success: the percentage of the n correctly classified images that are classified as their target, with "
            "Wilson's 95 % interval. The median flow loss is that of the successes, with an interval from the order "
            "statistics.",
        ],
    )
