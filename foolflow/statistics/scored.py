"""Load the scores that a detector gave to clean and adversarial images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.records import read_records
from foolflow.statistics.attempts import right_before


@dataclass(frozen=True)
class Scored:
    """The scores of one adversarial set. adaptive: whether its attack knows the detector.

    records: the rows of the images that the victim classifies correctly before the attack.
    """

    attack: str
    adaptive: bool
    records: pd.DataFrame


@dataclass(frozen=True)
class Detector:
    """One detector on one victim.

    clean: the rows of the val and the test images, with their `index` in the split.
    epsilon: the L-infinity radius within which attacks count where several are taken together; None: no limit.
    """

    dataset: str
    model: str
    seed: int
    detector: str
    clean: pd.DataFrame
    attacked: Sequence[Scored]
    epsilon: float | None = None

    def scores_of(self, split: str) -> np.ndarray:
        """Return the scores of the clean images. split: `val` or `test`."""
        return self.rows_of(split)["score"].to_numpy()

    def rows_of(self, split: str) -> pd.DataFrame:
        """Return the rows of the clean images. split: `val` or `test`."""
        return self.clean[self.clean["images"] == split]


def load_detectors(entries: Sequence[Mapping[str, Any]], scores: Sequence[Path]) -> list[Detector]:
    """Load the scores of each detector.

    entries: {"dataset", "model", "seed", "detector", "epsilon", "attacks": [{"attack", "adaptive"}, ...]}.
    scores: the output files of scripts/score_detector.py, one for each entry, in order.
    """
    return [_load(entry, read_records(path)) for entry, path in zip(entries, scores, strict=True)]


def _load(entry: Mapping[str, Any], scores: pd.DataFrame) -> Detector:
    right = scores[right_before(scores)]  # before the attack
    return Detector(
        **{key: entry[key] for key in ("dataset", "model", "seed", "detector", "epsilon")},
        clean=scores[scores["images"].isin(("val", "test"))],
        attacked=[Scored(**attack, records=right[right["images"] == attack["attack"]]) for attack in entry["attacks"]],
    )
