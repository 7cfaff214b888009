"""R1's table: attack success on each network, next to that of the paper and the students."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import VICTIM
from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.links import Link, links, to_images
from foolflow.tables.over_seeds import spread_column, spread_note, with_spread
from foolflow.tables.targeted import measure, median_of, number, with_interval
from foolflow.tables.wording import agreement, counted, extremes, span
from foolflow.tables.writing import (
    VERSUS,
    Table,
    deviation,
    percent,
    percent_interval,
    percent_intervals,
    published_note,
    verdict,
    verdict_note,
    without_empty_columns,
)

SIZES = {
    "displacement": "median displacement",
    "shift": "median shift",
    "deformation": "median deformation",
    "ssim": "median SSIM",
}


@dataclass(frozen=True)
class Attacked:
    """One attacked victim.

    test: the number of clean test images, `n`, and how many are `correct`.  records: those of the attack.
    literal: the records of the attack at the paper's tau, or None.  students: those of the students' attack, or None.
    """

    dataset: str
    model: str
    defense: str
    seed: int
    attack: str
    test: Mapping[str, int]
    records: pd.DataFrame
    literal: pd.DataFrame | None = None
    students: pd.DataFrame | None = None


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table.

    spec: title; attacked, a list of cells; literal and students, cells of some of the same victims; literal_words, what
    the second attack is; reference.
    """
    at_tau, by_students = (
        {_victim(cell): artefacts.records(cell) for cell in spec[name]} for name in ("literal", "students")
    )
    keys = ("dataset", "model", "defense", "seed", "attack")
    attacked = [
        Attacked(
            **{key: cell[key] for key in keys},
            test=artefacts.accuracy(cell)["test"],
            records=artefacts.records(cell),
            literal=at_tau.get(_victim(cell)),
            students=by_students.get(_victim(cell)),
        )
        for cell in spec["attacked"]
    ]
    return tabulate(spec["title"], attacked, spec["reference"], spec["literal_words"])


def _victim(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(cell[key] for key in VICTIM)


def tabulate(title: str, attacked: Sequence[Attacked], reference: Mapping[str, Any], literal: str = "") -> Table:
    """Build the table. reference: reference/r1_stadv.yaml, in percent; the table's CSV has fractions.

    literal: the attack at the paper's tau, in words.
    """
    published = list(reference["source"])
    rows = pd.DataFrame([_row(one, reference, published) for one in attacked])
    data = with_spread(rows, ("dataset", "model"), "success")
    display = _display(data, published)
    return Table(
        title=title,
        data=data,
        display=display,
        findings=[
            *(_success(dataset, rows, attacked[0].attack) for dataset, rows in data.groupby("dataset", sort=False)),
            *_three_ways(data, attacked[0].attack, literal),
            *(sentence for name in published for sentence in _agreement(data, name)),
        ],
        images=links(display, [_links(one) for one in attacked]),
        notes=[
            "Success: the percentage of the n attacked, correctly classified test images that are classified as "
            "their target, a class drawn at random for each image; with Wilson's 95 % interval. 'Any wrong class': the "
            "percentage that is misclassified. '8 bits': still a success after rounding to 256 levels.",
            *_about_literal(data, literal),
            *_about_students(data),
            "The flow loss is the sum over all ordered pairs of neighbouring pixels, in pixels, without smoothing; its "
            "median is over the successes. The intervals of all medians come from the order statistics (95 %).",
            "Displacement: of the pixel that moves farthest. Shift: the mean displacement of all pixels, which the "
            "flow loss does not see. Deformation: of the pixel that moves farthest from the shift. All are in pixels "
            "and medians over the successes. SSIM: the structural similarity with the clean image, at most 1.",
            *spread_note(data),
            *verdict_note(display),
            *published_note(data, reference["source"]),
        ],
    )


def _success(dataset: object, rows: pd.DataFrame, attack: str) -> str:
    found = extremes(rows, "success", [_name(row, rows) for _, row in rows.iterrows()], digits=2)
    if not found:
        return f"On {dataset}, no network classifies an attacked image correctly, so {attack} has nothing to fool."
    return f"On {dataset}, {attack} reaches its target on {found}."


def _about_literal(data: pd.DataFrame, literal: str) -> list[str]:
    if data["success_literal"].isna().all():
        return []
    return [f"'Paper's tau': success of {literal}, which takes the paper literally, on the same images."]


def _about_students(data: pd.DataFrame) -> list[str]:
    if data["success_as_students"].isna().all():
        return []
    return [
        "'As the students did': their attack, counted as they did it: any wrong class is a success, and so is an image "
        "that was misclassified before. Where it is known, the students' number is compared with it. 'Of the images "
        "right before': any wrong class, without the images that were misclassified before."
    ]


def _three_ways(data: pd.DataFrame, attack: str, literal: str) -> Iterator[str]:
    """Say for each data set what is left of the success after rounding to 8 bits, and at the paper's tau."""
    for dataset, rows in data.dropna(subset="success_literal").groupby("dataset", sort=False):
        success, rounded, at_tau = (
            span(rows[name].dropna().tolist(), lambda rate: percent(rate, 1))
            for name in ("success", "success_8bit", "success_literal")
        )
        yield (
            f"On {dataset}, over {counted(len(rows), 'victim')}: {success} % reach their target with {attack}, "
            f"{rounded} % after rounding to 8 bits, and {at_tau} % with {literal}."
        )


def _name(row: pd.Series | Mapping[str, Any], rows: pd.DataFrame) -> str:
    """Return the name of a row among these rows."""
    where = f" on {row['dataset']}" if rows["dataset"].nunique() > 1 else ""
    return f"{row['model']}{where}" + (f" (seed {row['seed']})" if rows["seed"].nunique() > 1 else "")


def _agreement(data: pd.DataFrame, name: str) -> list[str]:
    compared = [
        (_name(row, data), deviation(*_comparable(row, name), row[f"published_success_{name}"]))
        for _, row in data.iterrows()
    ]
    return agreement(name, "success rate", compared)


def _comparable(row: Any, name: str) -> tuple[float, float, float]:
    """Return our number, with its interval, that is counted as the published one of this source is."""
    if name == "students" and pd.notna(row["success_as_students"]):
        return row["success_as_students"], row["as_students_low"], row["as_students_high"]
    return row["success"], row["low"], row["high"]


def _links(one: Attacked) -> dict[str, Link]:
    """Return the links of a row: its numbers lead to the images of the attack."""
    cell = vars(one)
    columns = (
        "success %",
        "95 % interval",
        "n",
        "any wrong class %",
        "8 bits %",
        "median flow loss",
        "median L2",
        *SIZES.values(),
    )
    return dict.fromkeys((*columns, "evaluations per image"), to_images(cell))


def _row(one: Attacked, reference: Mapping[str, Any], published: Sequence[str]) -> dict[str, Any]:
    right = one.records[right_before(one.records)]

    def known(kind: str, name: str) -> float | None:
        value = reference[kind].get(one.dataset, {}).get(one.model, {}).get(name)
        return None if value is None else value / 100

    low, high = wilson_interval(one.test["correct"], one.test["n"])
    return {
        "dataset": one.dataset,
        "model": one.model,
        "seed": one.seed,
        "accuracy_n": one.test["n"],
        "accuracy": one.test["correct"] / one.test["n"],
        "accuracy_low": low,
        "accuracy_high": high,
        **{f"published_accuracy_{name}": known("accuracy", name) for name in published},
        **measure(one.records),
        "any_class": (right["prediction"] != right["label"]).mean(),
        "success_8bit": right["success_8bit"].mean(),
        **_literal(one.literal),
        **_as_students(one.students),
        **median_of(right.loc[right["success"], "l2"], "median_l2"),
        **{f"published_success_{name}": known("success", name) for name in published},
    }


def _literal(records: pd.DataFrame | None) -> dict[str, float | None]:
    found = None if records is None else measure(records)
    names = {"success_literal": "success", "literal_low": "low", "literal_high": "high"}
    return {name: None if found is None else found[key] for name, key in names.items()}


def _as_students(records: pd.DataFrame | None) -> dict[str, float | None]:
    """Return the success as the students counted it, and over the images that were classified correctly before."""
    names = ("success_as_students", "as_students_low", "as_students_high", "as_students_n", "as_students_of_right")
    if records is None:
        return dict.fromkeys(names)
    counted = measure(records, any_class=True, clean_errors=True)
    of_right = measure(records, any_class=True)["success"]
    return dict(zip(names, (*(counted[key] for key in ("success", "low", "high", "n")), of_right), strict=True))


def _display(data: pd.DataFrame, published: Sequence[str]) -> pd.DataFrame:
    several_seeds = data["seed"].nunique() > 1

    compared: dict[str, Any] = {}
    for name in published:
        theirs = f"published_success_{name}"
        compared[f"{name}: success %"] = data[theirs].map(percent)
        verdicts = [verdict(*_comparable(row, name), row[theirs]) for row in data.to_dict("records")]
        compared[f"{VERSUS}: success, {name}"] = verdicts
    columns = {
        "data set": data["dataset"],
        "model": data["model"],
        **({"seed": data["seed"].astype(str)} if several_seeds else {}),
        "success %": data["success"].map(percent),
        "95 % interval": percent_intervals(data),
        **spread_column(data, "success %"),
        "n": data["n"].map("{:,}".format),
        **compared,
        "any wrong class %": data["any_class"].map(percent),
        "8 bits %": data["success_8bit"].map(percent),
        "paper's tau %": _rates(data, "success_literal", "literal_low", "literal_high"),
        "as the students did %": _rates(data, "success_as_students", "as_students_low", "as_students_high"),
        "of the images right before %": data["as_students_of_right"].map(percent),
        "median flow loss": with_interval(data, "median_flow_loss", "flow_low", "flow_high"),
        **{
            heading: with_interval(data, f"median_{name}", digits=2)
            for name, heading in SIZES.items()
            if f"median_{name}" in data
        },
        "median L2": with_interval(data, "median_l2", digits=2),
        "evaluations per image": data["gradient_evaluations"].map(number),
    }
    return without_empty_columns(pd.DataFrame(columns))


def _rates(data: pd.DataFrame, *columns: str) -> list[str]:
    """Format a rate and its interval; an empty text where it is not known."""
    return [
        "" if pd.isna(rate) else f"{percent(rate)} ({percent_interval(low, high)})"
        for rate, low, high in data[list(columns)].itertuples(index=False)
    ]
