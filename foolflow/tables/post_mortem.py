"""The cost of each mistake in a failed reproduction: the same attack, with the mistakes fixed one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.tables.links import links, to_images
from foolflow.tables.targeted import measure, number, with_interval
from foolflow.tables.wording import listed, rate_with_n
from foolflow.tables.writing import Table, percent, percent_intervals, signed_points


@dataclass(frozen=True)
class Step:
    """One step.

    cell: names the victim and the attack.  change: the fix, in words.
    any_class, clean_errors: how success is counted (see `measure`).
    """

    cell: Mapping[str, Any]
    change: str
    any_class: bool
    clean_errors: bool
    records: pd.DataFrame


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: title; steps, cells with change, any_class and clean_errors."""
    keys = ("change", "any_class", "clean_errors")
    steps = [Step(cell, **{key: cell[key] for key in keys}, records=artefacts.records(cell)) for cell in spec["steps"]]
    return tabulate(spec["title"], steps)


def tabulate(title: str, steps: Sequence[Step]) -> Table:
    data = pd.DataFrame(
        [
            {
                "change": step.change,
                "model": step.cell["model"],
                "attack": step.cell["attack"],
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
            "95 % interval": percent_intervals(data),
            "n": data["n"].map("{:,}".format),
            "median flow loss": with_interval(data, "median_flow_loss", "flow_low", "flow_high"),
            "evaluations per image": data["gradient_evaluations"].map(number),
        }
    )
    numbers = [str(name) for name in display if name not in ("fixed", "model")]
    return Table(
        title=title,
        data=data,
        display=display,
        findings=list(_findings(data)),
        images=links(display, [dict.fromkeys(numbers, to_images(step.cell)) for step in steps]),
        notes=[
            "Each row keeps the fixes of the rows above it. 'Points' is the change of success in percentage points "
            "from the row above; where a fix concerns the counting, a drop means that failures had been counted as "
            "successes.",
            "Success has Wilson's 95 % interval; the median flow loss is over the images that count as successes, "
            "with its 95 % interval from the order statistics.",
        ],
    )


def _findings(data: pd.DataFrame) -> Iterator[str]:
    """Say what the steps changed together, and which of them changed most."""

    def success(row: pd.Series) -> str:
        return rate_with_n(row["success"], row["n"], row["low"], row["high"], digits=2)

    known = data.dropna(subset="success")
    if known.empty:
        yield "No step has an image that counts, so there is no success to report."
        return
    first, last = known.iloc[0], known.iloc[-1]
    if len(known) == 1:
        yield f"Success with '{first['change']}' is {success(first)}."
        return
    yield (
        f"Success goes from {success(first)} with '{first['change']}' to {success(last)} with '{last['change']}', each "
        "counted as its step says."
    )
    sizes = data["difference"].abs().round(12)
    if sizes.max() > 0:
        largest = data[sizes == sizes.max()]
        each = [f"'{row['change']}' ({signed_points(row['difference'])} points)" for _, row in largest.iterrows()]
        yield f"The largest {'changes' if len(each) > 1 else 'change'} of a single step: {listed(each)}."
