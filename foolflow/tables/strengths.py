"""Filters at several strengths: clean accuracy, and the success of each attack."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.links import links, to_images
from foolflow.tables.wording import rate_with_n
from foolflow.tables.writing import Table, percent, percent_interval


@dataclass(frozen=True)
class Filtered:
    """One filter at one strength under one attack; for the network without a filter, all three are empty texts.

    cell: names the victim, the `kind` and the attack.  records: the judgement.
    """

    cell: Mapping[str, Any]
    method: str
    parameter: str
    value: str
    records: pd.DataFrame


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: title; cells, each with kind, method, parameter and value."""
    return tabulate(
        spec["title"],
        [
            Filtered(cell, cell["method"], cell["parameter"], str(cell["value"]), artefacts.records(cell))
            for cell in spec["cells"]
        ],
    )


def tabulate(title: str, attacked: Sequence[Filtered]) -> Table:
    """Build the table: a row of the CSV for each attack, and one of the display for each strength and n."""
    data = pd.DataFrame([_row(one) for one in attacked])
    several_seeds = data["seed"].nunique() > 1
    keys = ["model", "seed", "method", "value", "n"]
    lines = [(rows, [attacked[place] for place in rows.index]) for _, rows in data.groupby(keys, sort=False)]
    display = _display([rows for rows, _ in lines])
    return Table(
        title=title,
        data=data,
        display=display,
        findings=[
            sentence
            for (model, seed), rows in data.groupby(["model", "seed"], sort=False)
            for sentence in _findings(rows, f"On {model} (seed {seed})" if several_seeds else f"On {model}")
        ],
        best={"clean %": "highest"},
        best_within=["model", "seed", "n"],
        images=links(
            display,
            [
                {_column(one.cell): to_images(one.cell, source=one.cell.get("source")) for one in line}
                for _, line in lines
            ],
        ),
        notes=[
            "Clean %: accuracy on the n attacked test images before the attack. The other columns: success, the "
            "percentage of those classified correctly before that the attack fools, with Wilson's 95 % interval. "
            "'Static': made on the network without a filter; 'adaptive': made through the filter, with its gradient "
            "or, if it has none, straight-through. A strong filter leaves few images that could still be fooled.",
        ],
    )


def _row(one: Filtered) -> dict[str, Any]:
    right = right_before(one.records)
    fooled, count = int(one.records.loc[right, "success"].sum()), int(right.sum())
    low, high = wilson_interval(fooled, count)
    clean_low, clean_high = wilson_interval(count, len(right))
    return {
        "model": one.cell["model"],
        "seed": one.cell["seed"],
        "defense": one.cell["defense"],
        "method": one.method,
        "parameter": one.parameter,
        "value": one.value,
        "kind": one.cell["kind"],
        "attack": one.cell["attack"],
        "n": len(right),
        "clean": right.mean(),
        "clean_low": clean_low,
        "clean_high": clean_high,
        "correct": count,
        "success": fooled / count if count else None,
        "low": low,
        "high": high,
        "accuracy": (one.records["prediction"] == one.records["label"]).mean(),
    }


def _column(row: Mapping[Any, Any]) -> str:
    return f"{row['kind']}: {row['attack']} %"


def _display(lines: Sequence[pd.DataFrame]) -> pd.DataFrame:
    several = {name: len({rows[name].iloc[0] for rows in lines}) > 1 for name in ("model", "seed")}
    found = []
    for rows in lines:
        first = rows.iloc[0]
        line = {name: str(first[name]) for name, shown in several.items() if shown}
        line |= {"filter": first["method"] or "none", "strength": f"{first['parameter']} {first['value']}".strip()}
        line |= {"n": f"{first['n']:,}", "clean %": percent(first["clean"])}
        for row in rows.to_dict("records"):
            interval = percent_interval(row["low"], row["high"], 1)
            line[_column(row)] = "" if pd.isna(row["success"]) else f"{percent(row['success'], 1)} ({interval})"
        found.append(line)
    return pd.DataFrame(found).fillna("")


def _findings(rows: pd.DataFrame, where: str) -> Iterator[str]:
    """Say for each attack which filter leaves it the least success at the price of how much clean accuracy.

    rows: of one victim's filters.  where: how the sentences begin.
    """
    for (kind, attack), each in rows.groupby(["kind", "attack"], sort=False):
        measured = each.dropna(subset="success")
        bare, known = measured[measured["method"] == ""], measured[measured["method"] != ""]
        if known.empty:
            continue
        low = known.nsmallest(1, "success").iloc[0]
        if len(bare) and low["success"] >= bare.iloc[0]["success"]:
            yield f"{where}, no filter lowers the success of {kind} {attack}, {_success(bare.iloc[0])} without one."
            continue
        sentence = (
            f"{where}, {kind} {attack} has the least success through {low['method']} with {low['parameter']} "
            f"{low['value']}: {_success(low)}, at a clean accuracy of {percent(low['clean'], 1)} %"
        )
        if len(bare):
            first = bare.iloc[0]
            sentence += f"; without a filter, {_success(first)} at {percent(first['clean'], 1)} %"
        yield f"{sentence}."


def _success(row: pd.Series) -> str:
    return rate_with_n(row["success"], row["correct"], row["low"], row["high"])
