"""Signs that a defense masks its gradient instead of resisting attacks (Athalye et al. 2018, section 3.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from foolflow.statistics.intervals import in_percent, wilson_interval
from foolflow.statistics.paired import compare_paired
from foolflow.statistics.robustness import on_common_images

SIGNIFICANT = 0.01  # level of a two-sided test; each victim has several
NEAR_ZERO = 0.05  # an accuracy above this is suspicious if the radius allows any image to become grey
# A single-step collapse: one step leaves at least WITHSTOOD of the clean accuracy, and many steps less than LEFT of
# that: both are a convention. After catastrophic overfitting almost nothing is left (Wong et al. 2020, section 5.4).
# Undefended networks of tiny images may collapse, too, so a defense must also withstand one step better than the
# undefended victim.
WITHSTOOD, LEFT = 0.5, 0.5


@dataclass(frozen=True)
class Attacked:
    """One attack on a victim.

    outcomes: one row per image, with index, label, clean_prediction and prediction (under attack).
    radius: of its ball; None: the same as that of the attacks that it is compared with.
    norm: of the radius; None: the same, too.
    """

    attack: str
    outcomes: pd.DataFrame
    radius: float | None = None
    norm: str | None = None

    def right(self) -> pd.Series:
        """Return for each image whether the victim classifies it correctly under the attack."""
        return self._is_right("prediction")

    def right_when_clean(self) -> pd.Series:
        """Return for each image whether the victim classifies it correctly before the attack."""
        return self._is_right("clean_prediction")

    def _is_right(self, column: str) -> pd.Series:
        return (self.outcomes[column] == self.outcomes["label"]).set_axis(self.outcomes["index"])

    def fits_into(self, other: "Attacked") -> bool:
        """Whether this attack's ball is no larger than the other's. Balls of different norms never fit."""
        if None not in (self.norm, other.norm) and self.norm != other.norm:
            return False
        return self.radius is None or other.radius is None or self.radius <= other.radius


@dataclass(frozen=True)
class Evidence:
    """The attacks on one victim within one radius.  iterative: the white-box attack whose gradient may be masked.

    single_step: a white-box attack of one step.  single_step_transferred: the same attack on another victim. If its
    images are stronger, the victim has overfitted to the single step (catastrophic overfitting).
    single_step_undefended: the same attack on the undefended victim, made on that victim. If it is known, a collapse
    counts only if the victim withstands the single step better than that.
    stronger: attacks that should not beat the iterative one unless the gradient is masked, each with its kind:
    transferred, black-box, adaptive. One with a larger ball, or that moves pixels, may win without any masking, so it
    is ignored.  huge: a white-box attack with a radius at which any image can become grey.
    """

    iterative: Attacked
    single_step: Attacked | None = None
    single_step_transferred: Attacked | None = None
    single_step_undefended: Attacked | None = None
    stronger: tuple[tuple[str, Attacked], ...] = ()
    huge: Attacked | None = None


@dataclass(frozen=True)
class Roles:
    """The names of the attacks that reveal masking, each in its role as `Evidence`."""

    iterative: str
    single_step: str | None = None
    huge: str | None = None


def signs_of_masking(evidence: Evidence) -> Iterator[str]:
    """Yield one sentence for each sign of masking."""
    iterative, single, transferred = evidence.iterative, evidence.single_step, evidence.single_step_transferred
    suspicions = [(kind, other, iterative) for kind, other in evidence.stronger if other.fits_into(iterative)]
    if single is not None:
        if single.fits_into(iterative):
            suspicions.append(("single-step attack", single, iterative))
        if transferred is not None:
            suspicions.append(("transferred", transferred, single))
    for kind, other, suspect in suspicions:
        if _beats(other, suspect):
            left, own = on_common_images([other.right(), suspect.right()]).mean()
            yield (
                f"{kind} {other.attack} leaves an accuracy of {in_percent(left)}, "
                f"white-box {suspect.attack} {in_percent(own)} on the same images"
            )
    if single is not None and _collapses(single, evidence):
        many, one = on_common_images([iterative.right(), single.right()]).mean()
        yield (
            f"a single-step collapse: white-box {iterative.attack} leaves an accuracy of {in_percent(many)}, "
            f"{single.attack} {in_percent(one)} on the same images, so the victim withstands a single step only, as "
            "after adversarial training that overfitted to a single step (catastrophic overfitting), or beyond the "
            "radius of its training"
        )
    if evidence.huge is not None:
        right = evidence.huge.right()
        if wilson_interval(int(right.sum()), len(right))[0] > NEAR_ZERO:
            yield (
                f"{evidence.huge.attack}, whose radius allows any image to become grey, "
                f"still leaves an accuracy of {in_percent(right.mean())}"
            )


def _beats(other: Attacked, suspect: Attacked) -> bool:
    """Whether `other` leaves significantly fewer correct predictions on the images that both attacked."""
    both = on_common_images([suspect.right(), other.right()]).to_numpy()
    comparison = compare_paired(both[:, 0], both[:, 1])
    return comparison.right_to_wrong > comparison.wrong_to_right and comparison.p_value < SIGNIFICANT


def _collapses(single: Attacked, evidence: Evidence) -> bool:
    """Whether one step leaves most of the clean accuracy, and many steps little of that."""
    iterative, undefended = evidence.iterative, evidence.single_step_undefended
    if not iterative.fits_into(single) or not _beats(iterative, single):
        return False
    if undefended is not None and not _beats(undefended, single):
        return False
    clean, one, many = on_common_images([single.right_when_clean(), single.right(), iterative.right()]).mean()
    return bool(one >= WITHSTOOD * clean and many < LEFT * one)
