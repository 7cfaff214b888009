"""Every published number of the four projects next to ours, with a verdict: the table in the README.

The numbers come from reference/ and docs/results/. docs/verdicts.yaml says why those that differ do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from foolflow.statistics.intervals import wilson_interval

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "docs/results"
CLOSE = 0.02  # two percentage points
R1_DATASETS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
VICTIM_AND_KIND = ("model", "defense", "seed", "kind")
R3_ATTACKS = {  # ours, by R3's name
    "fgsm": {"fgsm": "FGSM"},
    "deepfool": {"deepfool": "DeepFool", "deepfool_unlabelled": "DeepFool without labels, as in its paper"},
}
SPLIT_SIZES = {  # R2's
    "train": 50000,
    "val": 10000,
    "test": 10000,
}


@dataclass(frozen=True)
class Compared:
    """A published number and ours, as fractions.

    group: the numbers that one reason explains, a key of docs/verdicts.yaml.
    low, high: our 95 % interval; over several training seeds, that in which the accuracy of another seed lies.
    higher_is_better: for accuracies on clean images and for success, not for an accuracy under somebody's attack, nor
        for copies of R1's and R3's networks, which are meant to be as good as those, mistakes included.
    """

    group: str
    what: str
    published: float
    ours: float
    low: float
    high: float
    higher_is_better: bool

    @property
    def verdict(self) -> str:
        if self.higher_is_better and self.low > self.published:
            return "exceeded"
        within = self.low <= self.published <= self.high
        return "reproduced" if within or round(abs(self.ours - self.published), 6) <= CLOSE else "not reproduced"


def compared(published: Path = PUBLISHED) -> list[Compared]:
    """Return each number of reference/r1 to r4 that the published tables have a value for."""

    def rows(name: str) -> list[dict[str, Any]]:
        return pd.read_csv(published / f"{name}.csv").to_dict("records")

    return [
        *_stadv(rows("stadv/stadv_accuracy"), rows("stadv/stadv_success")),
        *_zoo(rows("minimal/minimal_accuracy")),
        *_defenses(rows("defenses/defenses_r3_students")),
        *_sweep(rows("fgsm_sweep/fgsm_sweep")),
    ]


def _stadv(accuracies: list[dict[str, Any]], successes: list[dict[str, Any]]) -> Iterator[Compared]:
    """R1's numbers and its paper's, the students' next to their own networks, attacked and counted as they did.

    The paper's success stands next to both of ours: at its tau, taken literally, and with tau found for each image.
    """
    for row in accuracies:
        if pd.notna(known := row["published_paper"]):
            yield Compared("R1 accuracy", _of_r1(row, "paper", "accuracy"), known, *_columns(row, "test", ""), True)
        if _is_students(row):
            known, what = row["published_students"], _of_r1(row, "students", "accuracy")
            yield Compared("R1 students' accuracy", what, known, *_columns(row, "test", ""), False)
    for row in successes:
        if pd.notna(known := row["published_success_paper"]):
            for group, how, columns in (
                ("R1 paper's tau", "at its tau, taken literally", ("success_literal", "literal_")),
                ("R1 success", "its tau found for each image", ("success", "")),
            ):
                what = _of_r1(row, "paper", f"success of stAdv, {how}")
                yield Compared(group, what, known, *_columns(row, *columns), True)
        if _is_students(row):
            what = _of_r1(row, "students", "success of their attack, counted as they did")
            ours = _columns(row, "success_as_students", "as_students_")
            yield Compared("R1 students' success", what, row["published_success_students"], *ours, True)


def _is_students(row: dict[str, Any]) -> bool:
    return row["model"].endswith("_students") and row["dataset"] in R1_DATASETS


def _of_r1(row: dict[str, Any], source: str, quantity: str) -> str:
    return f"{R1_DATASETS[row['dataset']]}, {row['model'].removesuffix('_students')} ({source}): {quantity}"


def _columns(row: dict[str, Any], value: str, prefix: str) -> tuple[float, float, float]:
    """Return a value and its interval, whose columns have a prefix."""
    return row[value], row[f"{prefix}low"], row[f"{prefix}high"]


def _zoo(rows: list[dict[str, Any]]) -> Iterator[Compared]:
    """R2. The table has the interval of the test accuracy only."""
    for row in rows:
        for split in ("train", "val", "test"):
            known = row[f"published_{split}"]
            if pd.notna(known):
                what = f"MNIST, {row['model']}: {split} accuracy"
                yield Compared("R2 accuracy", what, known, *_with_interval(row[split], SPLIT_SIZES[split]), True)


def _defenses(rows: list[dict[str, Any]]) -> Iterator[Compared]:
    """R3, on the network of its own recipe, each number under the protocol that R3's words suggest.

    Its DeepFool stands next to both of ours: the one that knows the labels, and the one that does not, as in the paper.
    """
    reference = yaml.safe_load((ROOT / "reference/r3_defenses.yaml").read_text(encoding="utf-8"))
    ((model, accuracies),) = reference["accuracy"]["cifar10"].items()
    for defense, numbers in accuracies.items():
        kind = reference["protocol"].get(defense, {}).get("kind", "static")
        victim = (model, defense, 0, kind)
        found = {row["attack"]: row for row in rows if tuple(row[key] for key in VICTIM_AND_KIND) == victim}
        short = defense.removesuffix("_students")
        where = f"CIFAR-10, {short.replace('_', ' ')}"
        for attack, known in numbers.items():
            if attack == "clean":
                row = max(found.values(), key=lambda row: row["n"])
                interval = _with_interval(row["clean"], row["n"])
                yield Compared(f"R3 {short} clean", f"{where}: accuracy", known / 100, *interval, False)
            for ours, words in R3_ATTACKS.get(attack, {}).items():
                what = f"{where}: accuracy under {words}"
                yield Compared(f"R3 {short} {ours}", what, known / 100, *_columns(found[ours], "accuracy", ""), False)


def _sweep(rows: list[dict[str, Any]]) -> Iterator[Compared]:
    """R4, next to its network rebuilt: the mean over the training seeds."""
    for row in rows:
        if row["model"] == "lenet_tutorial" and row["seed"] == 0:
            quantity = f"accuracy under FGSM, epsilon {row['epsilon']:g}" if row["epsilon"] else "accuracy"
            ours = row["mean_over_seeds"], row["another_seed_low"], row["another_seed_high"]
            yield Compared("R4", f"MNIST, LeNet: {quantity}", row["published_tutorial"], *ours, row["epsilon"] == 0)


def _with_interval(accuracy: float, n: int) -> tuple[float, float, float]:
    return accuracy, *wilson_interval(round(accuracy * n), n)


def table(numbers: list[Compared], reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the table and, below it, why each number that is not reproduced is not.

    Raises KeyError if one of them has no reason.
    """
    missed = list(dict.fromkeys(one.group for one in numbers if one.verdict == "not reproduced"))
    note = {group: f"({number})" for number, group in enumerate(missed, start=1)}
    yield "| | published % | Foolflow % | 95 % interval | verdict |"
    yield "| --- | --- | --- | --- | --- |"
    for one in numbers:
        interval = f"{100 * one.low:.2f} to {100 * one.high:.2f}"
        verdict = f"{one.verdict} {note[one.group]}" if one.verdict == "not reproduced" else one.verdict
        project = one.group.split()[0]
        yield f"| {project}: {one.what} | {100 * one.published:.2f} | {100 * one.ours:.2f} | {interval} | {verdict} |"
    if missed:
        yield ""
    for group in missed:
        yield f"- {note[group]} {reasons[group]}"
