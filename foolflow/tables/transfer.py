"""Success of each victim's adversarial images on every other victim: a matrix of source by target."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.attempts import Attempt, load_attempts, short_names
from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.over_seeds import MEAN, rate_text
from foolflow.tables.writing import Table


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: matrix with name, dataset and attack; attempts, a list of cells."""
    return tabulate(**spec["matrix"], attempts=load_attempts(spec["attempts"], artefacts))


def tabulate(name: str, dataset: str, attack: str, attempts: Sequence[Attempt]) -> Table:
    """Build the table. attempts: each target on each source's images, with source and target of the same seed."""
    data = pd.DataFrame([_row(name, dataset, attempt) for attempt in attempts])
    several_seeds = data["seed"].nunique() > 1
    if several_seeds:
        data = pd.concat([data, _means(data)], ignore_index=True)
    notes = [
        "Rows: the victim that the images were made on (source); columns: the victim that classifies them (target). "
        "Success: of the n attacked images that the target classifies correctly when clean, the percentage whose "
        "adversarial image it misclassifies, whether or not that image fooled its source. The diagonal is the attack "
        "on the victim itself. Intervals are Wilson's, 95 %.",
    ]
    if several_seeds:
        notes.append(
            "Source and target have the same seed. Last rows: mean ± sample standard deviation over the seeds."
        )
    return Table(
        title=f"Transfer {name}: {attack} on {dataset}, success in % by source and target",
        data=data,
        display=_display(data, several_seeds),
        notes=notes,
    )


def _row(name: str, dataset: str, attempt: Attempt) -> dict[str, Any]:
    right = attempt.records[attempt.records["clean_prediction"] == attempt.records["label"]]
    fooled = int((right["prediction"] != right["label"]).sum())
    low, high = wilson_interval(fooled, len(right))
    return {
        "matrix": name,
        "dataset": dataset,
        "attack": attempt.attack,
        "seed": str(attempt.seed),
        "source": attempt.source or attempt.victim,
        "target": attempt.victim,
        "n": len(right),
        "fooled": fooled,
        "success": fooled / len(right) if len(right) else None,
        "low": low,
        "high": high,
        "sd": None,
    }


def _means(data: pd.DataFrame) -> pd.DataFrame:
    keys = ["matrix", "dataset", "attack", "source", "target"]
    table = data.groupby(keys, sort=False, as_index=False).agg(sd=("success", "std"), success=("success", "mean"))
    return table.assign(seed=MEAN)


def _display(data: pd.DataFrame, several_seeds: bool) -> pd.DataFrame:
    """Return, for each seed, one row per source with one column per target, and a last row with n."""
    names = short_names(list(dict.fromkeys(data["target"])))
    rows = []
    for seed, table in data.groupby("seed", sort=False):
        shown = {"seed": seed} if several_seeds else {}
        for source, cells in table.groupby("source", sort=False):
            texts = {cell["target"]: rate_text(cell, "success") for _, cell in cells.iterrows()}
            rows.append(
                {"source": names[str(source)], **shown, **{name: texts[target] for target, name in names.items()}}
            )
        if seed != MEAN:
            images = table.drop_duplicates("target").set_index("target")["n"]
            rows.append(
                {
                    "source": "n, correct when clean",
                    **shown,
                    **{name: f"{images[target]:,.0f}" for target, name in names.items()},
                }
            )
    return pd.DataFrame(rows)
