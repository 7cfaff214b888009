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
    higher_is_better: for accuracies on clean images and for success, not for an accuracy under somebody's attack.
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
        *_defenses(rows("defenses/defenses_r3")),
        *_sweep(rows("fgsm_sweep/fgsm_sweep")),
    ]


def _stadv(accuracies: list[dict[str, Any]], successes: list[dict[str, Any]]) -> Iterator[Compared]:
    """R1's numbers and its paper's, the students' next to their own layers where those were trained."""
    for group, quantity, rows, column in (
        ("R1 accuracy", "accuracy", accuracies, "test"),
        ("R1 success", "success of stAdv, its tau found for each image", successes, "success"),
    ):
        prefix = "published_" if column == "test" else "published_success_"
        by_name = {(row["dataset"], row["model"]): row for row in rows}
        for source in ("paper", "students"):
            for (dataset, model), row in by_name.items():
                known = row[f"{prefix}{source}"]
                built = by_name.get((dataset, f"{model}_students"), row) if source == "students" else row
                if not model.endswith("_students") and pd.notna(known):
                    what = f"{_title(dataset)}, {model} ({source}): {quantity}"
                    yield Compared(group, what, known, built[column], built["low"], built["high"], True)


def _zoo(rows: list[dict[str, Any]]) -> Iterator[Compared]:
    """R2. The table has the interval of the test accuracy only."""
    for row in rows:
        for split in ("train", "val", "test"):
            known = row[f"published_{split}"]
            if pd.notna(known):
                what = f"MNIST, {row['model']}: {split} accuracy"
                yield Compared("R2 accuracy", what, known, *_with_interval(row[split], SPLIT_SIZES[split]), True)


def _defenses(rows: list[dict[str, Any]]) -> Iterator[Compared]:
    """R3, each number under the protocol that R3's words suggest."""
    reference = yaml.safe_load((ROOT / "reference/r3_defenses.yaml").read_text(encoding="utf-8"))
    for defense, numbers in reference["accuracy"]["cifar10"].items():
        kind = reference["protocol"].get(defense, {}).get("kind", "static")
        found = {row["attack"]: row for row in rows if (row["defense"], row["kind"]) == (defense, kind)}
        for attack, known in numbers.items():
            where = f"CIFAR-10, {defense.replace('_', ' ')}"
            if attack == "clean":
                row = max(found.values(), key=lambda row: row["n"])
                interval = _with_interval(row["clean"], row["n"])
                yield Compared("R3 accuracy", f"{where}: accuracy", known / 100, *interval, True)
            else:
                row = found[attack]
                what = f"{where}: accuracy under {attack}"
                interval = row["accuracy"], row["low"], row["high"]
                yield Compared(f"R3 {defense} {attack}", what, known / 100, *interval, False)


def _sweep(rows: list[dict[str, Any]]) -> Iterator[Compared]:
    """R4, next to its network rebuilt: the mean over the training seeds."""
    for row in rows:
        if row["model"] == "lenet_tutorial" and row["seed"] == 0:
            quantity = f"accuracy under FGSM, epsilon {row['epsilon']:g}" if row["epsilon"] else "accuracy"
            ours = row["mean_over_seeds"], row["another_seed_low"], row["another_seed_high"]
            yield Compared("R4", f"MNIST, LeNet: {quantity}", row["published_tutorial"], *ours, row["epsilon"] == 0)


def _with_interval(accuracy: float, n: int) -> tuple[float, float, float]:
    return accuracy, *wilson_interval(round(accuracy * n), n)


def _title(dataset: str) -> str:
    return {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[dataset]


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
