"""The accuracy of trained victims next to the published accuracies (R1, R2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.links import Link, links, to_victim
from foolflow.tables.over_seeds import SPREAD, spread_column, spread_note, spread_text, with_spread
from foolflow.tables.wording import agreement, listed, overlap, tied_rate
from foolflow.tables.writing import (
    VERSUS,
    Table,
    deviation,
    percent,
    percent_intervals,
    published_note,
    verdict,
    verdict_note,
    without_empty_columns,
)

SPLITS = ("train", "val", "test")
MEAN_COLUMN = f"test %, {SPREAD}"


@dataclass(frozen=True)
class Victim:
    """One victim.

    accuracy: for each split of its data set, the number of images `n` and how many are `correct`.
    """

    dataset: str
    model: str
    seed: int
    accuracy: Mapping[str, Mapping[str, int]]
    defense: str = "none"


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: title; victims, a list of cells; reference."""
    victims = [
        Victim(cell["dataset"], cell["model"], cell["seed"], artefacts.accuracy(cell), cell["defense"])
        for cell in spec["victims"]
    ]
    return tabulate(spec["title"], victims, spec["reference"])


def tabulate(title: str, victims: Sequence[Victim], reference: Mapping[str, Any]) -> Table:
    """Build the table.

    reference: reference/r1_stadv.yaml or reference/r2_minimal.yaml, in percent; the table's CSV has fractions.
    """
    published = list(reference["source"])
    rows = pd.DataFrame([_row(victim, reference["accuracy"], published) for victim in victims])
    data = with_spread(rows, ("dataset", "model"), "test")
    display = _display(data, published)
    return Table(
        title=title,
        data=data,
        display=display,
        findings=[
            *(_extremes(dataset, rows) for dataset, rows in data.groupby("dataset", sort=False)),
            *(sentence for name in published for sentence in _agreement(data, name)),
        ],
        best={"test %": "highest", MEAN_COLUMN: "highest"},
        best_within=["data set", "seed"],
        images=links(display, [_clean(victim) for victim in victims]),
        notes=[
            "Networks that were trained here have the weights with the best val accuracy. The intervals are Wilson's, "
            "95 %, on the test split, on which a run chooses nothing.",
            *spread_note(data),
            *verdict_note(display),
            *published_note(data, reference["source"]),
        ],
    )


def _clean(victim: Victim) -> dict[str, Link]:
    """Return the links of a victim's row: the numbers of the test split lead to the victim."""
    link = to_victim(vars(victim))
    return dict.fromkeys(["test %", "95 % interval (test)", "n (test)"], link)


def _extremes(dataset: object, rows: pd.DataFrame) -> str:
    """Return a sentence on the highest and the lowest test accuracy on a data set, or means over seeds."""
    several_seeds = rows["model"].duplicated().any()
    shown = rows["mean_over_seeds"].round(12) if several_seeds else rows["test"]  # means may differ in their last bits
    rows = rows.assign(shown=shown).drop_duplicates("model")
    what = "mean test accuracy over the seeds" if several_seeds else "test accuracy"

    def words(alike: pd.DataFrame) -> str:
        if several_seeds:
            return f"{spread_text(alike['shown'].iloc[0], alike['sd_over_seeds'].iloc[0])} %"
        return tied_rate(alike, "shown", digits=2)

    def named(alike: pd.DataFrame) -> str:
        return f"{listed(alike['model'].tolist())} {'have' if len(alike) > 1 else 'has'}"

    top, bottom = (rows[rows["shown"] == extreme] for extreme in (rows["shown"].max(), rows["shown"].min()))
    if len(top) == len(rows):
        return f"On {dataset}, {named(top)} a {what} of {words(top)}."
    spread = "" if several_seeds else f"; {overlap(top.iloc[0], bottom.iloc[0])}"
    highest, lowest = f"{named(top)} the highest {what}, {words(top)}", f"{named(bottom)} the lowest, {words(bottom)}"
    return f"On {dataset}, {highest}, and {lowest}{spread}."


def _agreement(data: pd.DataFrame, name: str) -> list[str]:
    if name in SPLITS and name != "test":
        return []
    several = data["dataset"].nunique() > 1, data["seed"].nunique() > 1
    compared = [
        (
            row["model"]
            + (f" on {row['dataset']}" if several[0] else "")
            + (f", seed {row['seed']}" if several[1] else ""),
            deviation(row["test"], row["low"], row["high"], row[f"published_{name}"]),
        )
        for row in data.to_dict("records")
    ]
    return agreement(name, "test accuracy", compared)


def _row(victim: Victim, accuracies: Mapping[str, Any], published: Sequence[str]) -> dict[str, Any]:
    test = victim.accuracy["test"]
    known = accuracies.get(victim.dataset, {}).get(victim.model, {})
    low, high = wilson_interval(test["correct"], test["n"])
    return {
        "dataset": victim.dataset,
        "model": victim.model,
        "seed": victim.seed,
        "n": test["n"],
        **{
            split: victim.accuracy[split]["correct"] / victim.accuracy[split]["n"]
            for split in SPLITS
            if split in victim.accuracy
        },
        "low": low,
        "high": high,
        **{f"published_{name}": known[name] / 100 if name in known else None for name in published},
    }


def _display(data: pd.DataFrame, published: Sequence[str]) -> pd.DataFrame:
    several_seeds = data["seed"].nunique() > 1
    columns = {
        "data set": data["dataset"],
        "model": data["model"],
        **({"seed": data["seed"].astype(str)} if several_seeds else {}),
        **{f"{split} %": data[split].map(percent) for split in SPLITS if split in data},
        "95 % interval (test)": percent_intervals(data),
        **spread_column(data, "test %"),
        "n (test)": data["n"].map("{:,}".format),
    }
    for name in published:
        columns[f"published: {name} %"] = data[f"published_{name}"].map(percent)
        # The train and the val split were used for choices, so their intervals would not mean much.
        if name not in SPLITS or name == "test":
            compared = data[["test", "low", "high", f"published_{name}"]].itertuples(index=False)
            columns[f"{VERSUS}: {name}"] = [verdict(*row) for row in compared]
    return without_empty_columns(pd.DataFrame(columns))
