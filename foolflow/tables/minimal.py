"""R2's table: the smallest perturbations that each attack finds on each network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.minimal import distances, nearest, quantile
from foolflow.tables.links import Link, Row, links, to_images
from foolflow.tables.wording import counted, listed, span
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
    defense: str = "none"


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: attacked, a list of cells, grouped by victim."""
    return tabulate(
        [
            Attacked(
                **{key: cell[key] for key in ("dataset", "model", "seed", "attack", "defense")},
                records=artefacts.records(cell),
            )
            for cell in spec["attacked"]
        ]
    )


def tabulate(attacked: Sequence[Attacked]) -> Table:
    victims: dict[tuple, list[Attacked]] = {}
    for one in attacked:
        victims.setdefault((one.dataset, one.model, one.seed), []).append(one)
    data = pd.concat([_rows(attacks) for attacks in victims.values()], ignore_index=True)
    display = _display(data)
    in_order = [one for attacks in victims.values() for one in attacks]
    shown = [_links(one, row) for one, row in zip(in_order, data.to_dict("records"), strict=True)]
    return Table(
        title=f"Minimal perturbations on {', '.join(data['dataset'].unique())}",
        data=data,
        display=display,
        findings=list(_findings(data)),
        best={
            "success %": "highest",
            "median L2": "lowest",
            "shortest %": "highest",
            "missed": "lowest",
            "gradients": "lowest",
        },
        best_within=["data set", "model", "seed"],
        images=links(display, shown),
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


def _links(one: Attacked, row: Row) -> dict[str, Link]:
    cell = vars(one)
    made = to_images(cell)
    fooled = to_images(cell, outcome="fooled") if row["fooled"] else made
    missed = to_images(cell, outcome="resisted") if row["missed"] else made
    columns = (
        "n",
        "success %",
        "95 % interval",
        "median L2",
        "ratio to best",
        "5 %",
        "95 %",
        "shortest %",
        "gradients",
    )
    return {**dict.fromkeys(columns, made), "mean L2": fooled, "missed": missed}


def _findings(data: pd.DataFrame) -> Iterator[str]:
    """Say which attack finds the smallest median on how many networks, and which attacks miss images."""
    networks = [rows.dropna(subset="median_l2") for _, rows in data.groupby(["dataset", "model", "seed"], sort=False)]
    networks = [rows for rows in networks if len(rows)]
    fooled = [rows for rows in networks if np.isfinite(rows["median_l2"].min())]
    if len(fooled) < len(networks):
        where = f"{len(networks) - len(fooled)} of {counted(len(networks), 'network')}"
        yield f"On {where}, no attack fools half of the images, so no median distance is finite."
    if data["attack"].nunique() > 1:
        yield from _shortest(fooled)
    elif fooled:
        medians = span([rows["median_l2"].min() for rows in fooled], _distance)
        yield f"{data['attack'].iloc[0]} is the only attack; its median L2 distance is {medians}."
    missed = data[data["missed"] > 0].groupby("attack", sort=False)["missed"].sum()
    if len(missed):
        each = [f"{attack} {count:,}" for attack, count in missed.items()]
        yield f"Images that another attack fools on the same network, but not this one: {', '.join(each)}."


def _shortest(networks: Sequence[pd.DataFrame]) -> Iterator[str]:
    """Yield a sentence on each attack with the smallest median on at least one network. networks: the rows of each."""
    wins: dict[str, list[pd.DataFrame]] = {}
    for rows in networks:
        for attack in rows.loc[rows["median_l2"] == rows["median_l2"].min(), "attack"]:
            wins.setdefault(attack, []).append(rows)
    for attack, won in sorted(wins.items(), key=lambda item: -len(item[1])):
        next_ones = pd.concat([rows[rows["attack"] != attack].nsmallest(1, "median_l2") for rows in won])
        ratios, names = next_ones["to_best"].tolist(), list(next_ones["attack"].unique())
        own = pd.concat([rows[rows["attack"] == attack] for rows in won])
        shares = span(own["shortest"].tolist(), lambda share: percent(share, 1))
        images = span(own["n"].tolist(), "{:,}".format)
        ties = ratios.count(1.0)
        tied = f" ({ties} tied)" if ties else ""
        ratio = f"; that of the next, {listed(names)}, is {span(ratios, _distance)} times as large" if ratios else ""
        where = f"{len(won)} of {counted(len(networks), 'network')}"
        yield f"{attack} finds the smallest median L2 distance on {where}{tied}{ratio}."
        yield (
            f"On {'that network' if len(won) == 1 else 'these networks'}, no other attack finds a perturbation shorter "
            f"by more than {100 * EQUAL:.0f} % for {shares} % of the {images} images."
        )


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
        "gradients": data["gradient_evaluations"].map(lambda count: "" if pd.isna(count) else f"{count:,.0f}"),
    }
    return pd.DataFrame(columns)


def _distance(value: float) -> str:
    if pd.isna(value):
        return ""
    return "∞" if np.isinf(value) else f"{value:.3f}"
