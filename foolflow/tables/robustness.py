"""The answer for a user's own classifier: accuracy clean, under each attack, and in the worst case."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import VICTIM, victim_name
from foolflow.data.reading import read_json
from foolflow.statistics.budget import Budget, ball_in_words
from foolflow.statistics.summary import CLEAN, WORST, Tried, headline, summarise, warnings_of
from foolflow.tables.links import Link, Row, links, to_attacks, to_images, to_victim
from foolflow.tables.over_seeds import spread_column, spread_note, with_spread
from foolflow.tables.wording import NORMS, listed, rate_with_n
from foolflow.tables.writing import Table, percent, percent_interval, without_empty_columns


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table.

    spec: norm and epsilon of the ball; victims, a list of cells in the order of the inputs `inspections` and `plans`;
    attacks, a list of name, set, counts, distance and epsilon_norm.
    """
    inputs = zip(spec["victims"], artefacts.files["inspections"], artefacts.files["plans"], strict=True)
    parts, budget = [], Budget(spec["norm"], spec["epsilon"])
    left_out: list[str] = []
    several_seeds = len({victim["seed"] for victim in spec["victims"]}) > 1
    for victim, inspection, plan in inputs:
        planned = read_json(plan)
        not_run = [one["attack"] for one in planned["attacks"] if one["images"] == 0]
        if not_run:
            name = victim_name(victim, several_seeds=several_seeds)
            left_out.append(f"Not run on {name}, which has no gradient: {', '.join(not_run)}.")
        tried = [
            Tried(
                **{key: one[key] for key in ("name", "counts", "distance", "epsilon_norm")},
                records=artefacts.records(victim | {"attack": one["set"]}),
            )
            for one in spec["attacks"]
            if one["name"] not in not_run
        ]
        parts.append(_rows(victim, tried, read_json(inspection), planned, budget))
    sets = {one["name"]: one["set"] for one in spec["attacks"]}
    return tabulate(pd.concat(parts, ignore_index=True), budget, sets, left_out)


def _rows(
    victim: Mapping[str, Any], tried: Sequence[Tried], inspection: Any, plan: Any, budget: Budget
) -> pd.DataFrame:
    rows = summarise(inspection["n"], inspection["correct"], tried, budget)
    warnings = {CLEAN: list(inspection["notices"])}
    for name, found in warnings_of(tried, budget).items():
        warnings.setdefault(name, []).extend(found)
    available = {one["attack"]: one["available"] for one in plan["attacks"]}
    rows["within"] = rows["attack"].map({one.name: one.counts for one in tried} | {CLEAN: True, WORST: True})
    rows["available"] = rows["attack"].map(available)
    rows["warnings"] = [
        "; ".join(warning.removesuffix(".") for warning in warnings.get(name, [])) for name in rows["attack"]
    ]
    for position, key in enumerate(VICTIM):
        rows.insert(position, key, victim[key])
    return rows


def tabulate(data: pd.DataFrame, budget: Budget, sets: Mapping[str, str], left_out: Sequence[str] = ()) -> Table:
    """Build the table.

    data: `summarise` of each victim, with dataset, model, defense, seed, within, available and warnings.
    budget: the bound.  sets: the name of each attack's adversarial sets.
    left_out: a sentence for each victim on which attacks did not run.
    """
    data = with_spread(data, ("model", "defense", "attack"), "accuracy")
    ball = ball_in_words(budget.norm, budget.epsilon)
    counting = {sets[name] for name in data.loc[data["within"].astype(bool), "attack"] if name in sets}
    notes = list(dict.fromkeys(warning for warning in data["warnings"] if warning))
    display = pd.DataFrame(
        {
            **{key: data[key].astype(str) for key in ("model", "defense", "seed") if data[key].nunique() > 1},
            "attack": data["attack"],
            "perturbation": [_size(row, ball) for _, row in data.iterrows()],
            "n": [f"{n:,}" for n in data["n"]],
            "accuracy %": [percent(value, 1) for value in data["accuracy"]],
            "95 % interval": [
                percent_interval(low, high, 1) for low, high in zip(data["low"], data["high"], strict=True)
            ],
            **spread_column(data, "accuracy %", digits=1),
            "fooled %": [percent(value, 1) for value in data["fooled"]],
            "median distance": [_median(row) for _, row in data.iterrows()],
            "note": [f"[{notes.index(warning) + 1}]" if warning else "" for warning in data["warnings"]],
        }
    )
    several_seeds = data["seed"].nunique() > 1
    answers = [
        sentence
        for _, rows in data.groupby(["model", "defense", "seed"], sort=False)
        for sentence in _answers(rows, victim_name(rows.iloc[0], several_seeds=several_seeds), ball)
    ]
    limited = data.dropna(subset="available")
    limited = limited[limited["n"] < limited["available"]]
    return Table(
        title=f"Robustness within {ball}",
        data=data,
        display=without_empty_columns(display),
        findings=answers,
        best={"accuracy %": "highest", "fooled %": "lowest", "median distance": "highest"},
        best_within=["attack"],
        images=links(display, [_links(row, sets, sorted(counting), budget) for row in data.to_dict("records")]),
        notes=[
            *(f"[{number}] {text}." for number, text in enumerate(notes, start=1)),
            f"{WORST}: correct under every attack within {ball}, on the images that all of these attacks tried.",
            *left_out,
            *(["The budget limited the number of images of some attacks."] if len(limited) else []),
            *spread_note(data),
            "fooled: of the images that were classified correctly before the attack.",
        ],
    )


def _answers(rows: pd.DataFrame, victim: str, ball: str) -> Iterator[str]:
    """Return the headline of a victim and, if several attacks count, which of them is the strongest."""
    yield headline(rows, victim, ball)
    single = rows[rows["within"].astype(bool) & ~rows["attack"].isin([CLEAN, WORST])].dropna(subset="accuracy")
    if len(single) > 1:
        lowest = single[single["accuracy"] == single["accuracy"].min()]
        one = lowest.iloc[0]
        rate = rate_with_n(one["accuracy"], one["n"], one["low"], one["high"])
        verb = "leave" if len(lowest) > 1 else "leaves"
        attacks = f"{listed(lowest['attack'].tolist())} {verb}"
        yield f"Of the single attacks within {ball}, {attacks} {victim} the lowest accuracy, {rate}."


def _links(row: Row, sets: Mapping[str, str], counting: Sequence[str], budget: Budget) -> dict[str, Link]:
    """Return the links of a row. The worst case leads to the sets of all attacks that count."""
    columns = ("n", "accuracy %", "95 % interval", "fooled %", "median distance")
    if row["attack"] == CLEAN:
        return dict.fromkeys(columns, to_victim(row))
    if row["attack"] == WORST:
        return dict.fromkeys(columns, to_attacks(row, counting, budget))
    bound = budget if row["within"] else None
    made = to_images(row, sets[row["attack"]], budget=bound)
    fooled = to_images(row, sets[row["attack"]], outcome="fooled", budget=bound) if row.get("fooled", 0) > 0 else made
    # The median is that of the smallest perturbations, of any size.
    return {**dict.fromkeys(columns, made), "fooled %": fooled, "median distance": to_images(row, sets[row["attack"]])}


def _size(row: pd.Series, ball: str) -> str:
    return "none" if row["attack"] == CLEAN else ball if row["within"] else "of any size"


def _median(row: pd.Series) -> str:
    if pd.isna(row.get("distance")):
        return ""
    if pd.isna(row["median"]):
        return ""
    median = f"{NORMS[row['distance']]} {_distance(row['median'])}"
    if pd.isna(row["median_low"]):  # too few images
        return median
    return f"{median} ({_distance(row['median_low'])} to {_distance(row['median_high'])})"


def _distance(value: float) -> str:
    return "∞" if np.isinf(value) else f"{value:.3g}"
