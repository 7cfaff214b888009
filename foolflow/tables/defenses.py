"""R3's table: the accuracy of each defended victim on adversarial images that were made without knowing its defense."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.writing import Table, percent, percent_interval, without_empty_columns

NO_EPSILON = -1.0  # in place of NaN, which groupby would drop


@dataclass(frozen=True)
class Cell:
    """evaluation: the victim's predictions on what `attack` made of the undefended model."""

    defense: str
    attack: str
    seed: int
    evaluation: pd.DataFrame


def tabulate_static(dataset: str, cells: Sequence[Cell], reference: Mapping[str, Any]) -> Table:
    """reference: reference/r3_defenses.yaml; percent there, fractions in the table's CSV."""
    published = reference["accuracy"].get(dataset, {})
    data = pd.DataFrame([row for cell in cells for row in _rows(cell, published.get(cell.defense, {}))])
    return Table(
        title=f"Defenses against attacks that do not know them (R3), on {dataset}",
        data=data,
        display=_display(data),
        notes=[
            "Static evaluation, R3's protocol: the adversarial images were made on the undefended model of the same "
            "seed, so no attack knew of a defense. All attacked images count, clean errors as errors; 'clean' is the "
            "accuracy on the same images before the attack. What stands here says nothing about an attacker who knows "
            "the defense.",
            f"Published: {reference['source']['students']}. Intervals are Wilson's.",
        ],
    )


def _rows(cell: Cell, published: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    """One row per epsilon, or one for an attack that has none."""
    attacked = cell.evaluation.assign(epsilon=cell.evaluation["epsilon"].fillna(NO_EPSILON))
    for epsilon, table in attacked.groupby("epsilon"):
        right = int((table["prediction"] == table["label"]).sum())
        low, high = wilson_interval(right, len(table))
        yield {
            "defense": cell.defense,
            "seed": cell.seed,
            "attack": cell.attack,
            "epsilon": None if epsilon == NO_EPSILON else epsilon,
            "n": len(table),
            "clean": (table["clean_prediction"] == table["label"]).mean(),
            "accuracy": right / len(table),
            "low": low,
            "high": high,
            "published_clean": published["clean"] / 100 if "clean" in published else None,
            "published": published[cell.attack] / 100 if cell.attack in published else None,
        }


def _display(data: pd.DataFrame) -> pd.DataFrame:
    several_seeds = data["seed"].nunique() > 1
    columns = {
        "defense": data["defense"],
        "attack": data["attack"],
        **({"seed": data["seed"].astype(str)} if several_seeds else {}),
        "epsilon": data["epsilon"].map(lambda epsilon: "" if pd.isna(epsilon) else f"{epsilon:.4g}"),
        "n": data["n"].map("{:,}".format),
        "clean %": data["clean"].map(percent),
        "attacked %": data["accuracy"].map(percent),
        "95 % interval": [percent_interval(*row) for row in zip(data["low"], data["high"], strict=True)],
        "published: clean %": data["published_clean"].map(percent),
        "published: attacked %": data["published"].map(percent),
    }
    return without_empty_columns(pd.DataFrame(columns))
