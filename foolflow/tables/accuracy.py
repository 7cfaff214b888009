"""The accuracy of trained victims next to the published accuracies (R1, R2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.over_seeds import spread_text, with_spread
from foolflow.tables.writing import Table, percent, percent_interval, published_note, without_empty_columns

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Victim:
    """One trained victim. accuracy: for each split, the number of images `n` and how many are `correct`."""

    dataset: str
    model: str
    seed: int
    accuracy: Mapping[str, Mapping[str, int]]


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: title; victims, a list of cells; reference."""
    victims = [
        Victim(cell["dataset"], cell["model"], cell["seed"], artefacts.accuracy(cell)) for cell in spec["victims"]
    ]
    return tabulate(spec["title"], victims, spec["reference"])


def tabulate(title: str, victims: Sequence[Victim], reference: Mapping[str, Any]) -> Table:
    """Build the table.

    reference: reference/r1_stadv.yaml or reference/r2_minimal.yaml, in percent; the table's CSV has fractions.
    """
    published = list(reference["source"])
    rows = pd.DataFrame([_row(victim, reference["accuracy"], published) for victim in victims])
    data = with_spread(rows, ("dataset", "model"), "test")
    return Table(
        title=title,
        data=data,
        display=_display(data, published),
        notes=[
            "The accuracy is that of the weights with the best val accuracy, with Wilson's 95 % interval on the test "
            "split, which was not used for any choice.",
            *published_note(data, reference["source"]),
        ],
    )


def _row(victim: Victim, accuracies: Mapping[str, Any], published: Sequence[str]) -> dict[str, Any]:
    test = victim.accuracy["test"]
    known = accuracies.get(victim.dataset, {}).get(victim.model, {})
    low, high = wilson_interval(test["correct"], test["n"])
    return {
        "dataset": victim.dataset,
        "model": victim.model,
        "seed": victim.seed,
        "n": test["n"],
        **{split: victim.accuracy[split]["correct"] / victim.accuracy[split]["n"] for split in SPLITS},
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
        **{f"{split} %": data[split].map(percent) for split in SPLITS},
        "95 % interval (test)": [percent_interval(*row) for row in zip(data["low"], data["high"], strict=True)],
        **(
            {"test %, mean ± sd over seeds": list(map(spread_text, data["mean_over_seeds"], data["sd_over_seeds"]))}
            if several_seeds
            else {}
        ),
        "n (test)": data["n"].map("{:,}".format),
        **{f"published: {name} %": data[f"published_{name}"].map(percent) for name in published},
    }
    return without_empty_columns(pd.DataFrame(columns))
