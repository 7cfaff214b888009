"""R1's table: accuracy and attack success of each network, next to those of the paper and the students."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.tables.targeted import measure, number
from foolflow.tables.writing import Table, percent, percent_interval, published_note, without_empty_columns


@dataclass(frozen=True)
class Attacked:
    """One attacked victim. accuracy: on the clean test split.  records: those of the attack."""

    dataset: str
    model: str
    seed: int
    accuracy: float
    records: pd.DataFrame


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: title; attacked, a list of cells; reference."""
    attacked = []
    for cell in spec["attacked"]:
        test = artefacts.accuracy(cell)["test"]
        accuracy = test["correct"] / test["n"]
        attacked.append(Attacked(cell["dataset"], cell["model"], cell["seed"], accuracy, artefacts.records(cell)))
    return tabulate(spec["title"], attacked, spec["reference"])


def tabulate(title: str, attacked: Sequence[Attacked], reference: Mapping[str, Any]) -> Table:
    """Build the table. reference: reference/r1_stadv.yaml, in percent; the table's CSV has fractions."""
    published = list(reference["source"])
    data = pd.DataFrame([_row(one, reference, published) for one in attacked])
    return Table(
        title=title,
        data=data,
        display=_display(data, published),
        notes=[
            "Success: the percentage of the n attacked, correctly classified test images that are classified as "
            "their target, a class drawn at random for each image; with Wilson's 95 % interval. 'Any wrong class': the "
            "percentage that is misclassified. '8 bits': still a success after rounding to 256 levels.",
            "The flow loss is the sum over all ordered pairs of neighbouring pixels, in pixels, without smoothing; its "
            "median is over the successes.",
            *published_note(data, reference["source"]),
        ],
    )


def _row(one: Attacked, reference: Mapping[str, Any], published: Sequence[str]) -> dict[str, Any]:
    right = one.records[one.records["clean_prediction"] == one.records["label"]]

    def known(kind: str, name: str) -> float | None:
        value = reference[kind].get(one.dataset, {}).get(one.model, {}).get(name)
        return None if value is None else value / 100

    return {
        "dataset": one.dataset,
        "model": one.model,
        "seed": one.seed,
        "accuracy": one.accuracy,
        **{f"published_accuracy_{name}": known("accuracy", name) for name in published},
        **measure(one.records),
        "any_class": (right["prediction"] != right["label"]).mean(),
        "success_8bit": right["success_8bit"].mean(),
        "median_l2": right.loc[right["success"], "l2"].median(),
        **{f"published_success_{name}": known("success", name) for name in published},
    }


def _display(data: pd.DataFrame, published: Sequence[str]) -> pd.DataFrame:
    several_seeds = data["seed"].nunique() > 1
    columns = {
        "data set": data["dataset"],
        "model": data["model"],
        **({"seed": data["seed"].astype(str)} if several_seeds else {}),
        "accuracy %": data["accuracy"].map(percent),
        **{f"{name}: accuracy %": data[f"published_accuracy_{name}"].map(percent) for name in published},
        "success %": data["success"].map(percent),
        "95 % interval": [percent_interval(*row) for row in zip(data["low"], data["high"], strict=True)],
        "n": data["n"].map("{:,}".format),
        **{f"{name}: success %": data[f"published_success_{name}"].map(percent) for name in published},
        "any wrong class %": data["any_class"].map(percent),
        "8 bits %": data["success_8bit"].map(percent),
        "median flow loss": data["median_flow_loss"].map(number),
        "median L2": data["median_l2"].map(lambda value: number(value, 2)),
        "evaluations per image": data["gradient_evaluations"].map(number),
    }
    return without_empty_columns(pd.DataFrame(columns))
