"""Attempts: one adversarial set, made on this or another victim, as judged by one victim."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import Cell, model_and_defense

CONTROL = "random noise"  # the source of images that no victim was needed for


@dataclass(frozen=True)
class Attempt:
    """One attack on one victim.

    source: the victim that the images were made on, as model/defense; None: the victim itself.
    records: from `judge`, row i for image i of the adversarial set.
    epsilon_norm: the norm of the attack's epsilons; None: unknown, or it has none.
    """

    model: str
    defense: str
    seed: int
    attack: str
    source: str | None
    records: pd.DataFrame
    epsilon_norm: str | None = None

    @property
    def victim(self) -> str:
        return f"{self.model}/{self.defense}"


def right_before(records: pd.DataFrame) -> pd.Series:
    """Return which images the victim classifies correctly before the attack: bool (N,). records: from `judge`."""
    return records["clean_prediction"] == records["label"]


def load_attempts(cells: Sequence[Cell], artefacts: Artefacts) -> list[Attempt]:
    """Load the attempt of each cell. cells: dataset and the fields of an Attempt except its records.

    Without a budget, the norm of the epsilons may be missing.
    """
    keys = ("model", "defense", "seed", "attack", "source")
    return [
        Attempt(
            **{key: cell[key] for key in keys},
            records=artefacts.records(cell),
            epsilon_norm=cell.get("epsilon_norm"),
        )
        for cell in cells
    ]


def short_names(victims: Sequence[str]) -> dict[str, str]:
    """Return the shortest distinct name of each victim, model/defense.

    This is the model if all have the same defense, the defense if all have the same model, and otherwise both.
    """
    pairs = {victim: model_and_defense(victim) for victim in victims}
    models, defenses = ({pair[part] for pair in pairs.values()} for part in (0, 1))
    if len(defenses) == 1 and len(models) > 1:
        return {victim: model for victim, (model, _) in pairs.items()}
    if len(models) == 1 and len(defenses) > 1:
        return {victim: defense for victim, (_, defense) in pairs.items()}
    return {victim: victim for victim in victims}
