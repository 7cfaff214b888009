"""What victims make of adversarial sets: their own, from the records of the attack, or another's, evaluated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from foolflow.errors import InvalidInput
from foolflow.data.reading import read_records


@dataclass(frozen=True)
class Attempt:
    """One attack on one victim. source: model/defense that the images were made on; None: the victim itself.

    records: row i is about image i of the adversarial set, as `judge` makes them; clean_prediction and prediction are
    the victim's, the norms are those of the perturbation.
    """

    model: str
    defense: str
    seed: int
    attack: str
    source: str | None
    records: pd.DataFrame

    @property
    def victim(self) -> str:
        return f"{self.model}/{self.defense}"


def load_attempts(
    entries: Sequence[Mapping[str, Any]], records: Sequence[Path], evaluations: Sequence[Path]
) -> list[Attempt]:
    """entries: the fields of an Attempt but for its records.  records: of the attack, one file an entry.
    evaluations: what the victim makes of the set, one file for each entry that has a source, in order."""
    of_others = iter(evaluations)
    found = []
    for entry, path in zip(entries, records, strict=True):
        table = read_records(path)
        if entry["source"] is not None:
            table = as_seen_by_another(table, read_records(next(of_others)), f"{entry['source']}: {entry['attack']}")
        found.append(Attempt(**entry, records=table))
    return found


def as_seen_by_another(records: pd.DataFrame, evaluation: pd.DataFrame, origin: str) -> pd.DataFrame:
    """The records of an adversarial set with another victim's predictions. Raises InvalidInput, naming `origin`, if the
    two are not about the same images."""
    if records["index"].tolist() != evaluation["index"].tolist():
        raise InvalidInput(f"{origin}: the records and the evaluation are not about the same images")
    predictions = ["clean_prediction", "prediction"]
    return records.assign(**{name: evaluation[name].to_numpy() for name in predictions})


def short_names(victims: Sequence[str]) -> dict[str, str]:
    """What tells these victims, model/defense, apart: the model where no defense differs, the defense where no model
    does."""
    pairs = {victim: tuple(victim.split("/")) for victim in victims}
    models, defenses = ({pair[part] for pair in pairs.values()} for part in (0, 1))
    if len(defenses) == 1 and len(models) > 1:
        return {victim: model for victim, (model, _) in pairs.items()}
    if len(models) == 1 and len(defenses) > 1:
        return {victim: defense for victim, (_, defense) in pairs.items()}
    return {victim: victim for victim in victims}
