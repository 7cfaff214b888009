"""R2's table: the smallest perturbations that each attack finds on each network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.minimal import distances, nearest, quantile
from foolflow.tables.writing import Table, percent, percent_interval

# Distances that differ by less than this fraction are considered equal.
EQUAL = 0.01


@dataclass(frozen=True)
class Attacked:
    """One attack on one victim. records: those of the attack."""

    dataset: str
    model: str
    seed: int
    attack: str
    records: pd.DataFrame


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: attacked, a list of cells, grouped by victim."""
    return tabulate(
        [
            Attacked(cell["dataset"], cell["model"], cell["seed"], cell["attack"], artefacts.records(cell))
            for cell in spec["attacked"]
        ]
    )


def tabulate(attacked: Sequence[Attacked]) -> Table:
    victims: dict[tuple, list[Attacked]] = {}
    for one in attacked:
        victims.setdefault((one.dataset, one.model, one.seed), []).append(one)
    data = pd.concat([_rows(attacks) for attacks in victims.values()], ignore_index=True)
    return Table(
        title=f"Minimal perturbations on {', '.join(data['dataset'].unique())}",
        data=data,
        display=_display(data),
        notes=[
            "n: the attacked images that the network classifies correctly when clean. L2 in pixel units, where black "
            "is 0 and white is 1. An image that is not fooled has infinite distance in the median and the quantiles "
            "(∞: too few images were fooled); the mean is over the fooled images only. Intervals are Wilson's.",
            "Ratio to best: the median divided by the smallest median of any attack on that network. Shortest: the "
            "percentage of the n images for which no other attack finds a perturbation shorter by more than "
            f"{100 * EQUAL:.0f} %. Missed: images that another attack fools and this one does not. Gradients: "
            "gradient evaluations per image.",
        ],
    )


def _rows(attacks: Sequence[Attacked]) -> pd.DataFrame:
    """Return one row per attack on one victim."""
    shortest = nearest([distances(one.records) for one in attacks])
    table = pd.DataFrame([_row(one, shortest) for one in attacks])
    return table.assign(to_best=table["median_l2"] / table["median_l2"].min())


def _row(one: Attacked, shortest: pd.Series) -> dict[str, Any]:
    right = one.records[one.records["clean_prediction"] == one.records["label"]]
    distance = distances(right)
    best = shortest[distance.index]
    fooled = np.isfinite(distance)
    low, high = wilson_interval(int(fooled.sum()), len(distance))
    return {
        "dataset": one.dataset,
        "model": one.model,
        "seed": one.seed,
        "attack": one.attack,
        "n": len(distance),
        "fooled": int(fooled.sum()),
        "success": fooled.mean(),
        "low": low,
        "high": high,
        "median_l2": quantile(distance, 0.5),
        "mean_l2": distance[fooled].mean(),
        "q05_l2": quantile(distance, 0.05),
        "q95_l2": quantile(distance, 0.95),
        "shortest": (fooled & (distance <= (1 + EQUAL) * best)).mean(),
        "missed": int((~fooled & np.isfinite(best)).sum()),
        "gradient_evaluations": right["gradient_evaluations"].mean(),
    }


def _display(data: pd.DataFrame) -> pd.DataFrame:
    several_datasets, several_seeds = data["dataset"].nunique() > 1, data["seed"].nunique() > 1
    columns = {
        **({"data set": data["dataset"]} if several_datasets else {}),
        "model": data["model"],
        "attack": data["attack"],
        **({"seed": data["seed"].astype(str)} if several_seeds else {}),
        "n": data["n"].map("{:,}".format),
        "success %": data["success"].map(percent),
        "95 % interval": [percent_interval(*row) for row in zip(data["low"], data["high"], strict=True)],
        "median L2": data["median_l2"].map(_distance),
        "ratio to best": data["to_best"].map(_distance),
        "mean L2": data["mean_l2"].map(_distance),
        "5 %": data["q05_l2"].map(_distance),
        "95 %": data["q95_l2"].map(_distance),
        "shortest %": data["shortest"].map(lambda share: percent(share, 1)),
        "missed": data["missed"].map("{:,}".format),
        "gradients": data["gradient_evaluations"].map("{:,.0f}".format),
    }
    return pd.DataFrame(columns)


def _distance(value: float) -> str:
    if pd.isna(value):
        return ""
    return "∞" if np.isinf(value) else f"{value:.3f}"
