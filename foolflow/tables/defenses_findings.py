"""What the table of the study `defenses` says, in sentences."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.over_seeds import spread_text
from foolflow.tables.wording import agreement, counted, listed, overlap, rate_with_n, tied_rate
from foolflow.tables.writing import deviation, p_text, points

WORST = "worst case"
UNDEFENDED = "none"
SIGNIFICANT = 0.05


def findings(data: pd.DataFrame) -> list[str]:
    """Return the findings. data: that of the table, see `foolflow.tables.defenses.tabulate`."""
    several_models = data["model"].nunique() > 1
    found = []
    for (model,), rows in groups(data, "model"):
        where = f" of {model}" if several_models else ""
        found += [_strongest(rows, where), *_flattery(rows, where)]
    return [*found, *_masked(data), *_not_different(data), *_agreement(data)]


def _strongest(rows: pd.DataFrame, where: str) -> str:
    """Say which defense of a model keeps the most accuracy in the worst case, and what is left without a defense."""
    ranked = _over_seeds(rows[rows["kind"] == WORST]).sort_values("accuracy", ascending=False, kind="stable")
    top = ranked[ranked["accuracy"] == ranked["accuracy"].iloc[0]]
    others = ranked[ranked["accuracy"] < ranked["accuracy"].iloc[0]]
    names = listed([_defense(name) for name in top["defense"]])
    if others.empty:
        return f"The worst-case accuracy{where} with {names} is {_tied(top)}."
    follower = others.iloc[0]
    words = [f"The worst-case accuracy{where} is highest with {names}: {_tied(top)}"]
    spread = "" if follower["seeds"] > 1 else f"; {overlap(top.iloc[0], follower)}"
    words.append(f"next is {_defense(follower['defense'])} with {_rate(follower)}{spread}")
    undefended = others[others["defense"] == UNDEFENDED]
    if len(undefended) and follower["defense"] != UNDEFENDED:
        words.append(f"without a defense it is {_rate(undefended.iloc[0])}")
    return "; ".join(words) + "."


def _flattery(rows: pd.DataFrame, where: str) -> Iterator[str]:
    """Compare, for each defense, the strongest static attack with the strongest attack made on the defended victim."""
    for (defense,), own in groups(rows[rows["counts"] & (rows["defense"] != UNDEFENDED)], "defense"):
        means = _over_seeds(own)
        static, direct = (means[(means["kind"] == "static") == wanted] for wanted in (True, False))
        if len(static) and len(direct):
            flattering, honest = (one.nsmallest(1, "accuracy").iloc[0] for one in (static, direct))
            gap = flattering["accuracy"] - honest["accuracy"]
            size = (
                f", {points(gap)} points less"
                if gap > 0
                else f", {points(gap)} points more"
                if gap < 0
                else ", as much"
            )
            yield (
                f"Of the attacks in the worst case{where}, the strongest static one ({flattering['attack']}) leaves "
                f"{defense} an accuracy of {_rate(flattering)}. The strongest one made on {defense} itself "
                f"({honest['kind'].replace('_', ' ')} {honest['attack']}) leaves {_rate(honest)}{size}."
            )


def _over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds: one row for each defense, kind and attack; `seeds` counts them."""
    means = rows.groupby(["defense", "kind", "attack"], sort=False, as_index=False).agg(
        seeds=("seed", "size"),
        sd=("accuracy", "std"),
        accuracy=("accuracy", "mean"),
        low=("low", "first"),
        high=("high", "first"),
        n=("n", "first"),
    )
    return means.assign(accuracy=means["accuracy"].round(12))  # equal means may differ in their last bits


def _rate(row: pd.Series) -> str:
    """Format the accuracy in a row of `_over_seeds`."""
    if row["seeds"] > 1:
        return f"{spread_text(row['accuracy'], row['sd'], 1)} % over {row['seeds']} seeds"
    return rate_with_n(row["accuracy"], row["n"], row["low"], row["high"])


def _tied(rows: pd.DataFrame) -> str:
    """Format the accuracy that these rows of `_over_seeds` share."""
    return _rate(rows.iloc[0]) if rows["seeds"].max() > 1 else tied_rate(rows, "accuracy")


def _defense(name: str) -> str:
    return "no defense" if name == UNDEFENDED else name


def _masked(data: pd.DataFrame) -> list[str]:
    return [
        f"Gradient masking is suspected for {_victim(data, *victim)}: {rows['warnings'].iloc[0]}. Trust only the "
        "smallest number of that row."
        for victim, rows in groups(data, "model", "defense", "seed")
        if rows["warnings"].iloc[0]
    ]


def _victim(data: pd.DataFrame, model: str, defense: str, seed: int) -> str:
    several = data["model"].nunique() + data["seed"].nunique() > 2
    return f"{defense} ({model}, seed {seed})" if several else defense


def _not_different(data: pd.DataFrame) -> list[str]:
    tested = data[data["holm_p"].notna()]
    if tested.empty:
        return []
    same = [
        f"{_victim(data, row['model'], row['defense'], row['seed'])} under {row['kind'].replace('_', ' ')} "
        f"{row['attack']} (p = {p_text(row['holm_p'])})"
        for row in tested[tested["holm_p"] >= SIGNIFICANT].to_dict("records")
    ]
    if not same:
        return [
            f"Each defense differs significantly from none at 5 % under every attack ({counted(len(tested), 'test')})."
        ]
    return [f"Not significantly different from the undefended victim at 5 %: {'; '.join(same)}."]


def _agreement(data: pd.DataFrame) -> list[str]:
    compared = []
    for victim, rows in groups(data, "model", "defense", "seed"):
        name = _victim(data, *victim)
        compared.append((f"{name}, clean", deviation(*clean_accuracy(rows), rows["published_clean"].max())))
        compared += [
            (f"{name} under {row['attack']}", deviation(row["accuracy"], row["low"], row["high"], row["published"]))
            for row in rows.to_dict("records")
        ]
    return agreement("students", ("accuracy", "accuracies"), compared)


def groups(data: pd.DataFrame, *keys: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Yield each combination of the keys' values with its rows, in the order of the rows."""
    yield from data.groupby(list(keys), sort=False)


def clean_accuracy(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Return the clean accuracy of a victim on the largest set, with its interval."""
    row = rows.iloc[rows["n"].argmax()]
    return row["clean"], *wilson_interval(round(row["clean"] * row["n"]), int(row["n"]))
