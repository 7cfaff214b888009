"""Estimated core-hours of each study, before it runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from foolflow.attacks.kinds import sizes
from foolflow.attacks.planning import OVERHEAD, Speed, seconds_per_image
from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import VICTIM
from foolflow.data.reading import read_json
from foolflow.tables.wording import counted
from foolflow.tables.writing import Table

HARDENED = 0.5  # the share of images that resist a short attack on an adversarially trained victim, as a guess
PASSES = 2  # of a judgement: over the images as they are, and rounded to 8 bits

NOTES = (
    "Estimated core-hours. Trainings: every epoch at the speed of two batches, without the measurements after it. "
    "Attacks: the number of passes that each typically needs, at the speed of the untrained victim. Judgements: two "
    f"passes per adversarial image. Each training and attack: {OVERHEAD:.0f} s to start. Not counted: tables, figures, "
    "detectors and the page.",
    f"Most attacks take far longer on images that resist. On victims that were trained against attacks, {HARDENED:.0%} "
    "of the images are assumed to resist, on the others none. `if all resist` assumes that every image does.",
    "What several studies share is counted in the first of them.",
)


def build(spec: Sequence[Mapping[str, Any]], artefacts: Artefacts) -> Table:
    """Build the table. spec: from `foolflow.studies.workload.workload`."""
    (file,) = artefacts.files["speeds"]
    return costs_table(spec, read_json(file))


def costs_table(studies: Sequence[Mapping[str, Any]], measured: Mapping[str, Any]) -> Table:
    """Build the table.

    studies: from `foolflow.studies.workload.workload`.
    measured: `speeds`, of each victim `dataset`, `model`, `defense`, and seconds per image `train`, `forward`,
        `gradient`; `images`, the number of images by split and data set; `device`.
    """
    speeds = {tuple(one[key] for key in VICTIM[:-1]): one for one in measured["speeds"]}
    data = pd.DataFrame([_row(study, speeds, measured["images"]) for study in studies])
    hours = ["training", "attacks", "judging", "all", "if_all_resist"]
    total = data[hours].sum()
    shown = [
        [row["study"], f"{row['trainings']:,}", f"{row['sets']:,}", *(f"{row[key]:.2f}" for key in hours)]
        for row in data.to_dict("records")
    ]
    shown.append(
        ["all", f"{data['trainings'].sum():,}", f"{data['sets'].sum():,}", *(f"{total[key]:.2f}" for key in hours)]
    )
    columns = ["study", "trainings", "attacks", "training (h)", "attacking (h)", "judging (h)", "all (h)"]
    display = pd.DataFrame(shown, columns=[*columns, "if all resist (h)"])
    return Table(
        "What the studies will cost",
        data,
        display,
        [*NOTES, f"Measured on {measured['device']}."],
        varies=True,
        findings=[_finding(data)],
        totals=[len(data)],
    )


def _row(
    study: Mapping[str, Any], speeds: Mapping[tuple[Any, ...], Mapping[str, Any]], images: Mapping[str, Any]
) -> dict[str, Any]:
    def speed_of(victim: Mapping[str, Any]) -> Mapping[str, Any]:
        return speeds[tuple(victim[key] for key in VICTIM[:-1])]

    training = sum(
        OVERHEAD + victim["epochs"] * images["train"][victim["dataset"]] * speed_of(victim)["train"]
        for victim in study["trainings"]
    )
    attacks = most = 0.0
    for one in study["attacks"]:
        found, available = speed_of(one), images["test"][one["dataset"]]
        likely = HARDENED if one["hardened"] else 0.0
        attacks += OVERHEAD + _seconds(one["entry"], found, available, likely)
        most += OVERHEAD + _seconds(one["entry"], found, available, 1.0)
    judging = sum(
        number_of_images(one["entry"], speed_of(one)["classes"], images["test"][one["dataset"]])
        * len(sizes(one["entry"]))
        * PASSES
        * speed_of(one)["draws"]
        * speed_of(one)["forward"]
        for one in study["judgements"]
    )
    return {
        "study": study["study"],
        "trainings": len(study["trainings"]),
        "sets": len(study["attacks"]),
        "training": training / 3600,
        "attacks": attacks / 3600,
        "judging": judging / 3600,
        "all": (training + attacks + judging) / 3600,
        "if_all_resist": (training + most + judging) / 3600,
    }


def _seconds(entry: Mapping[str, Any], found: Mapping[str, Any], available: int, resisting: float) -> float:
    count = number_of_images(entry, found["classes"], available)
    speed = Speed(
        found["forward"],
        found["gradient"],
        resisting,
        count,
        found["classes"],
        shape=tuple(found["shape"]),
        draws=found["draws"],
    )
    return count * len(sizes(entry)) * seconds_per_image(entry, speed)


def number_of_images(entry: Mapping[str, Any], classes: int, available: int) -> int:
    """Return how many adversarial images an attack makes for each epsilon.

    entry: the attack's config entry.  available: the number of images in the test split.
    """
    chosen = min(entry.get("images", available), available)
    if "per_class" in entry:
        chosen = min(entry["per_class"] * classes, available)
    return chosen * (classes - 1) if entry.get("targets") == "all" else chosen


def _finding(data: pd.DataFrame) -> str:
    total, first = data["all"].sum(), data.sort_values("all", kind="stable").iloc[-1]
    return (
        f"All studies: {total:.1f} core-hours, of which {data['training'].sum():.1f} for "
        f"{counted(int(data['trainings'].sum()), 'training')}. {first['study']} takes the most: {first['all']:.1f}."
    )
