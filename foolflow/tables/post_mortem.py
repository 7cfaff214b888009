"""The cost of each mistake in a failed reproduction: the same attack, with the mistakes fixed one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.tables.targeted import measure, number
from foolflow.tables.writing import Table, percent, percent_interval


@dataclass(frozen=True)
class Step:
    """One step. change: the fix, in words.  any_class, clean_errors: how success is counted (see `measure`)."""

    change: str
    model: str
    attack: str
    any_class: bool
    clean_errors: bool
    records: pd.DataFrame


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: title; steps, cells with change, any_class and clean_errors."""
    keys = ("change", "model", "attack", "any_class", "clean_errors")
    steps = [Step(**{key: cell[key] for key in keys}, records=artefacts.records(cell)) for cell in spec["steps"]]
    return tabulate(spec["title"], steps)


def tabulate(title: str, steps: Sequence[Step]) -> Table:
    data = pd.DataFrame(
        [
            {
                "change": step.change,
                "model": step.model,
                "attack": step.attack,
                **measure(step.records, any_class=step.any_class, clean_errors=step.clean_errors),
            }
            for step in steps
        ]
    )
    data.insert(3, "difference", data["success"].diff())
    display = pd.DataFrame(
        {
            "fixed": data["change"],
            "model": data["model"],
            "success %": data["success"].map(percent),
            "points": ["" if pd.isna(value) else f"{100 * value:+.2f}" for value in data["difference"]],
            "95 % interval": [percent_interval(*row) for row in zip(data["low"], data["high"], strict=True)],
            "n": data["n"].map("{:,}".format),
            "median flow loss": data["median_flow_loss"].map(number),
            "evaluations per image": data["gradient_evaluations"].map(number),
        }
    )
    return Table(
        title=title,
        data=data,
        display=display,
        notes=[
            "Each row keeps the fixes of the rows above it. 'Points' is the change of success in percentage points "
            "from the row above; a drop means that failures had been counted as successes.",
            "Success has Wilson's 95 % interval; the median flow loss is over the images that count as successes.",
        ],
    )
