"""Scores of a detector on clean and adversarial images, as written by its scripts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.reading import read_records


@dataclass(frozen=True)
class Scored:
    """One adversarial set. adaptive: its attack knows the detector.

    records: from scripts/score_adversarial.py, only of images that the victim classifies correctly when clean.
    """

    attack: str
    adaptive: bool
    records: pd.DataFrame


@dataclass(frozen=True)
class Detector:
    """One detector on one victim. clean: from scripts/score_clean.py, of the val and the test images."""

    dataset: str
    model: str
    seed: int
    detector: str
    clean: pd.DataFrame
    attacked: Sequence[Scored]

    def scores_of(self, split: str) -> np.ndarray:
        """split: `val` or `test`."""
        return self.clean.loc[self.clean["split"] == split, "score"].to_numpy()


def load_detectors(
    entries: Iterable[Mapping[str, Any]], clean: Sequence[Path], scores: Sequence[Path]
) -> list[Detector]:
    """entries: {"dataset", "model", "seed", "detector", "attacks": [{"attack", "adaptive"}, ...]}, one for each file
    of clean, in order.  scores: one file for each of their attacks, in order."""
    remaining = iter(scores)
    detectors = []
    for entry, path in zip(entries, clean, strict=True):
        attacked = [Scored(**attack, records=_right_before(next(remaining))) for attack in entry["attacks"]]
        named = {key: value for key, value in entry.items() if key != "attacks"}
        detectors.append(Detector(**named, clean=read_records(path), attacked=attacked))
    return detectors


def _right_before(path: Path) -> pd.DataFrame:
    records = read_records(path)
    return records[records["clean_prediction"] == records["label"]]
