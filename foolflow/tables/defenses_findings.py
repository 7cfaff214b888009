"""What the table of the study `defenses` says, in sentences."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.cells import UNDEFENDED
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import SIGNIFICANT
from foolflow.statistics.summary import WORST
from foolflow.tables.flattery import Contest, sentences
from foolflow.tables.letters import versus
from foolflow.tables.over_seeds import spread_text
from foolflow.tables.wording import agreement, counted, listed, rate_with_n, tied_rate
from foolflow.tables.writing import deviation, p_text


def findings(data: pd.DataFrame, compared: Sequence[Contest]) -> list[str]:
    """Return the findings. data: that of the table, see `foolflow.tables.defenses.tabulate`."""
    several_models = data["model"].nunique() > 1
    found = []
    for (model,), rows in groups(data, "model"):
        where = f" of {model}" if several_models else ""
        found += [_strongest(rows, where), *sentences([one for one in compared if one.victim[0] == model], where)]
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
    words.append(f"next is {_defense(follower['defense'])} with {_rate(follower)}, {_tested(rows, top, follower)}")
    undefended = others[others["defense"] == UNDEFENDED]
    if len(undefended) and follower["defense"] != UNDEFENDED:
        words.append(f"without a defense it is {_rate(undefended.iloc[0])}")
    return "; ".join(words) + "."


def _tested(rows: pd.DataFrame, top: pd.DataFrame, follower: pd.Series) -> str:
    """Say whether the follower differs significantly from all defenses at the top, seed by seed.

    rows: of one model.  top, follower: rows of `_over_seeds`.
    """
    worst = rows[rows["kind"] == WORST]
    found = []
    for (seed,), of_seed in groups(worst, "seed"):
        below = of_seed[of_seed["defense"] == follower["defense"]]
        above = of_seed.loc[of_seed["defense"].isin(top["defense"]), ["model", "defense"]]
        if len(below) and len(above):
            names = [versus(f"{model}/{defense}/{seed}") for model, defense in above.itertuples(index=False)]
            found.append(np.max([below.iloc[0].get(name, np.nan) for name in names]))  # NaN if one was not compared
    found = [p_value for p_value in found if not np.isnan(p_value)]
    if not found:
        return "the difference is not tested"
    if len(found) == 1:
        differs = "a significant difference" if found[0] < SIGNIFICANT else "no significant difference"
        return f"{differs} (exact McNemar test, Holm-corrected p {p_text(found[0])})"
    significant = sum(p_value < SIGNIFICANT for p_value in found)
    return f"a difference that is significant for {significant} of {counted(len(found), 'seed')}"


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
        "smallest number of that victim."
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
    untested = _untested(data)
    rest = f" Not tested: {listed(untested)}." if untested else ""
    if same:
        return [f"Not significantly different from the undefended victim at 5 %: {'; '.join(same)}.{rest}"]
    every = "every attack that was tested" if untested else "every attack"
    tests = counted(len(tested), "test")
    return [f"Each defense differs significantly from none at 5 % under {every} ({tests}).{rest}"]


def _untested(data: pd.DataFrame) -> list[str]:
    """Return the attacks under which no defended victim was compared with the undefended one, or else the victims.

    Static attacks, which never are, have a note of their own.
    """
    defended = data[(data["defense"] != UNDEFENDED) & ~data["kind"].isin([WORST, "static"])]
    found = []
    for (kind, attack), rows in groups(defended, "kind", "attack"):
        name, missing = f"{kind.replace('_', ' ')} {attack}", rows[rows["holm_p"].isna()]
        if len(missing) == len(rows):
            found.append(name)
        else:
            victims = missing[["model", "defense", "seed"]].itertuples(index=False)
            found += [f"{_victim(data, *victim)} under {name}" for victim in victims]
    return found


def _agreement(data: pd.DataFrame) -> list[str]:
    compared = []
    for victim, rows in groups(data, "model", "defense", "seed"):
        name = _victim(data, *victim)
        compared.append((f"{name}, clean", deviation(*clean_accuracy(rows), rows["published_clean"].max())))
        compared += [
            (f"{name} under {row['attack']}", deviation(row["accuracy"], row["low"], row["high"], row["published"]))
            for row in rows[rows["as_published"].eq(True)].to_dict("records")
        ]
    return agreement("students", "accuracy", compared)


def groups(data: pd.DataFrame, *keys: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Yield each combination of the keys' values with its rows, in the order of the rows."""
    yield from data.groupby(list(keys), sort=False)


def clean_accuracy(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Return the clean accuracy of a victim on the largest set, with its interval."""
    row = rows.iloc[rows["n"].argmax()]
    return row["clean"], *wilson_interval(round(row["clean"] * row["n"]), int(row["n"]))
