"""Signs that a defense hides its gradient from an attack instead of resisting it (Athalye et al. 2018, section 3.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import compare_paired
from foolflow.statistics.robustness import on_common_images

SIGNIFICANT = 0.01  # of a two-sided test; several are made on each victim
NEAR_ZERO = 0.05  # where nothing of an image need be left, a robust accuracy above this is none


@dataclass(frozen=True)
class Attacked:
    """outcomes: a row an image, with index, label and prediction, that of the attacked image."""

    attack: str
    outcomes: pd.DataFrame

    def right(self) -> pd.Series:
        """By image, whether it withstood."""
        return (self.outcomes["prediction"] == self.outcomes["label"]).set_axis(self.outcomes["index"])

    @property
    def accuracy(self) -> float:
        return float(self.right().mean())


@dataclass(frozen=True)
class Evidence:
    """What was made of one victim within one radius.  iterative: the white-box attack that is under suspicion.

    single_step: a white-box attack of one step.  single_step_transferred: the same, made on another victim; where it is
    the stronger, the victim has learnt the one step, and bent its gradient for it (catastrophic overfitting).
    stronger: attacks that cannot beat the iterative one unless it is blind, each with what it is: a transferred one, a
    black-box one, an adaptive one.  huge: a white-box attack in a radius at which any image can be turned into grey.
    """

    iterative: Attacked
    single_step: Attacked | None = None
    single_step_transferred: Attacked | None = None
    stronger: tuple[tuple[str, Attacked], ...] = ()
    huge: Attacked | None = None


def signs_of_masking(evidence: Evidence) -> Iterator[str]:
    """One sentence for each sign; none where nothing is suspicious."""
    iterative, single, transferred = evidence.iterative, evidence.single_step, evidence.single_step_transferred
    suspicions = [(kind, other, iterative) for kind, other in evidence.stronger]
    if single is not None:
        suspicions.append(("single-step attack", single, iterative))
        if transferred is not None:
            suspicions.append(("transferred", transferred, single))
    for kind, other, suspect in suspicions:
        if _beats(other, suspect):
            theirs, own = f"{other.accuracy:.1%}", f"{_on(suspect, other):.1%}"
            yield f"{kind} {other.attack} leaves {theirs}, white-box {suspect.attack} {own} of the same images"
    if evidence.huge is not None:
        right = evidence.huge.right()
        if wilson_interval(int(right.sum()), len(right))[0] > NEAR_ZERO:
            yield f"{evidence.huge.attack}, whose radius leaves nothing of an image, still leaves {right.mean():.1%}"


def _beats(other: Attacked, suspect: Attacked) -> bool:
    """Whether `other` leaves significantly fewer of the images that both attacked."""
    both = on_common_images([suspect.right(), other.right()]).to_numpy()
    comparison = compare_paired(both[:, 0], both[:, 1])
    return comparison.right_to_wrong > comparison.wrong_to_right and comparison.p_value < SIGNIFICANT


def _on(suspect: Attacked, other: Attacked) -> float:
    """The suspect's accuracy on the images that the other attacked, too."""
    right = suspect.right()
    return float(right[right.index.isin(other.outcomes["index"])].mean())
