"""The scores that a detector gave clean and adversarial images, as its scripts wrote them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.reading import read_records


@dataclass(frozen=True)
class Scored:
    """One adversarial set. adaptive: its attack knew of the detector.

    records: the rows of scripts/score_adversarial.py about the images that the victim gets right before the attack.
    """

    attack: str
    adaptive: bool
    records: pd.DataFrame


@dataclass(frozen=True)
class Detector:
    """One detector at one victim. clean: the rows of scripts/score_clean.py, about the val and the test images."""

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
    """entries: {"dataset", "model", "seed", "detector", "attacks": [{"attack", "adaptive"}, ...]}, one for each of
    clean, in order.  scores: of all their attacks, in order."""
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
