"""Filters at several strengths: clean accuracy, and the accuracy under each attack and its success."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import SIGNIFICANT, compare_paired, holm_of_known
from foolflow.tables.links import links, to_images
from foolflow.tables.wording import counted, rate_with_n, span
from foolflow.tables.writing import Table, p_text, percent, percent_interval, without_empty_columns

STATIC = "static"


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

    @property
    def opponent(self) -> tuple[Any, ...]:
        """What a filter and the network without one must share to be compared."""
        return tuple(self.cell[key] for key in ("model", "seed", "kind", "attack"))

    @property
    def fooled(self) -> pd.Series:
        """Whether the attack fools each image that the network classifies correctly when clean, by its index."""
        right = self.records[right_before(self.records)]
        return right["success"].astype(bool).set_axis(right["index"])


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
    """Build the table: a row of the CSV for each attack, and one of the display for each strength and n.

    In the CSV, `success` and `success_none`, that without a filter, are over the `both` images that both networks
    classify correctly: a strong filter leaves only easy images correct, which are harder to fool without it, too.
    """
    without = {one.opponent: one for one in attacked if not one.method}
    data = pd.DataFrame([_row(one, without.get(one.opponent)) for one in attacked])
    data["holm_p"] = holm_of_known(data.pop("p_value"))
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
                {_column("accuracy", one.cell): to_images(one.cell, source=one.cell.get("source")) for one in line}
                for _, line in lines
            ],
        ),
        notes=_notes(data),
    )


def _row(one: Filtered, without: Filtered | None) -> dict[str, Any]:
    """Measure one filter. without: the same attack on the network without a filter, which may be `one` itself."""
    right = right_before(one.records)
    withstood = right & (one.records["prediction"] == one.records["label"])
    here = one.fooled
    before = here if without is None else without.fooled
    both = here.index.intersection(before.index)
    here, before = here[both], before[both]
    compared = without is not None and without is not one and len(both) > 0
    tested = compared and one.cell["kind"] != STATIC
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
        **_rate("clean", int(right.sum()), len(right)),
        **_rate("accuracy", int(withstood.sum()), len(right)),
        "both": len(both),
        **_rate("success", int(here.sum()), len(both)),
        "success_none": before.mean() if compared else None,
        "p_value": compare_paired(~before.to_numpy(), ~here.to_numpy()).p_value if tested else None,
    }


def _rate(name: str, count: int, n: int) -> dict[str, float | None]:
    low, high = wilson_interval(count, n)
    return {name: count / n if n else None, f"{name}_low": low, f"{name}_high": high}


def _column(measure: str, row: Mapping[Any, Any]) -> str:
    """Return the heading of a measure under an attack. The percentages end in a percent sign."""
    return f"{measure}: {row['kind']} {row['attack']}" + ("" if measure.startswith("p ") else " %")


def _display(lines: Sequence[pd.DataFrame]) -> pd.DataFrame:
    several = {name: len({rows[name].iloc[0] for rows in lines}) > 1 for name in ("model", "seed")}
    found = []
    for rows in lines:
        first = rows.iloc[0]
        line = {name: str(first[name]) for name, shown in several.items() if shown}
        line |= {"filter": first["method"] or "none", "strength": f"{first['parameter']} {first['value']}".strip()}
        line |= {"n": f"{first['n']:,}", "clean %": percent(first["clean"])}
        for row in rows.to_dict("records"):
            interval = percent_interval(row["accuracy_low"], row["accuracy_high"], 1)
            line[_column("accuracy", row)] = f"{percent(row['accuracy'], 1)} ({interval})"
            line[_column("success", row)] = _success_text(row)
            line[_column("p (Holm)", row)] = p_text(row["holm_p"])
        found.append(line)
    return without_empty_columns(pd.DataFrame(found).fillna(""))


def _success_text(row: Mapping[Any, Any]) -> str:
    """Format a success, such as `66.7 of 90 (56.4 to 75.5; none 100.0)`."""
    if pd.isna(row["success"]):
        return ""
    details = percent_interval(row["success_low"], row["success_high"], 1)
    details += "" if pd.isna(row["success_none"]) else f"; none {percent(row['success_none'], 1)}"
    return f"{percent(row['success'], 1)} of {row['both']:,} ({details})"


def _findings(rows: pd.DataFrame, where: str) -> Iterator[str]:
    """Say for each attack whether filters significantly lower its success and, if so, by how much and at what price.

    rows: of one victim's filters.  where: how the sentences begin.
    """
    for (kind, attack), each in rows.groupby(["kind", "attack"], sort=False):
        without, filters = each[each["method"] == ""], each[each["method"] != ""].dropna(subset="success_none")
        if without.empty or filters.empty:
            continue
        bare = without.iloc[0]
        if kind == STATIC:
            fooled = span(filters["success"].tolist(), lambda rate: f"{percent(rate, 1)} %")
            yield (
                f"{where}, static {attack}, whose images were made without a filter, fools {fooled} of the images "
                "through a filter, of those that both networks classify correctly."
            )
            continue
        lower = filters[(filters["holm_p"] < SIGNIFICANT) & (filters["success"] < filters["success_none"])]
        if lower.empty:
            known = rate_with_n(bare["success"], bare["both"], bare["success_low"], bare["success_high"])
            yield f"{where}, no filter significantly lowers the success of {kind} {attack}, {known} without one."
            continue
        most = lower.assign(drop=lower["success_none"] - lower["success"]).nlargest(1, "drop").iloc[0]
        yield (
            f"{where}, {len(lower)} of {counted(len(filters), 'filter')} significantly "
            f"{'lowers' if len(lower) == 1 else 'lower'} the success of {kind} {attack}, most of all {most['method']} "
            f"with {most['parameter']} {most['value']}: from {percent(most['success_none'], 1)} to "
            f"{percent(most['success'], 1)} % of the {most['both']:,} images that both networks classify correctly "
            f"(exact McNemar test, Holm-corrected p {p_text(most['holm_p'])}). The accuracy under the attack is "
            f"{percent(most['accuracy'], 1)} %, without a filter {percent(bare['accuracy'], 1)} %; the clean accuracy "
            f"is {percent(most['clean'], 1)} %, without a filter {percent(bare['clean'], 1)} %."
        )


def _notes(data: pd.DataFrame) -> list[str]:
    tests = int(data["holm_p"].notna().sum())
    kinds = set(data["kind"])
    notes = [
        "Clean %: accuracy on the n attacked test images before the attack. 'Accuracy': the same under the attack; an "
        "image counts as right only if it is also right when clean. 'Success': the percentage of the images that the "
        "attack fools, of those that the network classifies correctly with and without the filter; their number "
        "follows, and in parentheses the success without a filter ('none') on the same images. Both with Wilson's 95 % "
        "interval. 'Adaptive': made through the filter, with its gradient or, if it has none, straight-through.",
    ]
    if STATIC in kinds:
        notes.append(
            "'Static': made on the network without a filter. Almost any other network, defended or not, withstands "
            "more of these images than the one that they were made on, so static attacks are not tested."
        )
    if tests:
        notes.append(
            "Each filter was compared with none under the same adaptive attack, by the attack's success on the images "
            f"that both networks classify correctly: {counted(tests, 'exact McNemar test')}, one family over all "
            "filters, attacks and seeds of this table, corrected after Holm."
        )
    return notes
