"""Summarise how robust one victim is: clean, under each attack, and in the worst case."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from foolflow.statistics.attempts import right_before
from foolflow.statistics.budget import Budget
from foolflow.statistics.intervals import in_percent, median_interval, wilson_interval
from foolflow.statistics.masking import Attacked, Evidence, signs_of_masking
from foolflow.statistics.minimal import quantile
from foolflow.statistics.robustness import on_common_images, outcomes, worst_case

CLEAN, WORST = "clean", "worst case"
FAR = 0.1  # of accuracy
FEW = 100  # below this number of images an interval is too wide to rely on
SINGLE_STEP = "fgsm"
ITERATIVE = ("pgd_margin", "pgd")  # the attacks whose gradient may be masked, the stronger one first
CONTROL_KINDS = {"noise": "random"}  # attacks that should not beat an iterative one, with their kind


@dataclass(frozen=True)
class Tried:
    """One attack on the victim.

    records: from `judge`, one row per adversarial image.
    counts: the attack is part of the worst case, and only its perturbations within the budget count. Those of any other
        attack count whatever their size.
    distance: `l2` or `linf`, the norm of which the median is reported; None: no median.
    epsilon_norm: the norm of the attack's epsilons; None: unknown, or it has none.
    """

    name: str
    records: pd.DataFrame
    counts: bool
    distance: str | None = None
    epsilon_norm: str | None = None

    def outcomes(self, budget: Budget | None) -> pd.DataFrame:
        return outcomes(self.records, budget, self.epsilon_norm)


def summarise(n: int, correct: int, tried: Sequence[Tried], budget: Budget) -> pd.DataFrame:
    """Return a row for the clean images, one for each attack, and one for the worst case.

    n, correct: number of clean images, and of those that the victim classifies correctly.
    Columns:
        attack: CLEAN, the name of the attack, or WORST.
        n, correct: number of images, and of those classified correctly under the attack. A clean error stays an error.
            The worst case covers the images that every attack which counts has tried.
        accuracy, low, high: the fraction `correct / n` with Wilson's 95 % interval.
        fooled, fooled_low, fooled_high: the fraction of the correctly classified images that the attack fooled; NaN if
            there are none.
        distance: the norm of the median.  median, median_low, median_high: the distance at which half of the correctly
            classified images are fooled, into any wrong class, with its 95 % interval; infinite if fewer are. There are
            no such columns if no attack minimises a distance.
    """
    found = {one.name: one.outcomes(budget if one.counts else None) for one in tried}
    rows = [_row(CLEAN, n, correct)]
    rows += [_row(one.name, *_counts(found[one.name])) | _median(one) for one in tried]
    counting = [found[one.name] for one in tried if one.counts]
    if counting:
        clean = counting[0]["clean"]
        right = worst_case([table["right"] for table in counting])
        rows.append(_row(WORST, len(right), int(right.sum()), int(clean[right.index].sum())))
    return pd.DataFrame(rows)


def _counts(found: pd.DataFrame) -> tuple[int, int, int]:
    return len(found), int(found["right"].sum()), int(found["clean"].sum())


def _row(name: str, n: int, correct: int, clean: int | None = None) -> dict[str, Any]:
    low, high = wilson_interval(correct, n)
    row: dict[str, Any] = {
        "attack": name,
        "n": n,
        "correct": correct,
        "accuracy": correct / n if n else np.nan,
        "low": low,
        "high": high,
        **dict.fromkeys(("fooled", "fooled_low", "fooled_high"), np.nan),
    }
    if clean:
        fooled_low, fooled_high = wilson_interval(clean - correct, clean)
        row |= {"fooled": (clean - correct) / clean, "fooled_low": fooled_low, "fooled_high": fooled_high}
    return row


def _median(one: Tried) -> dict[str, Any]:
    if one.distance is None:
        return {}
    right = one.records[right_before(one.records)]
    fooled = right["prediction"] != right["label"]
    values = right[one.distance].where(fooled, np.inf).groupby(right["index"]).min()  # of several targets, the nearest
    low, high = median_interval(values.to_numpy())
    return {"distance": one.distance, "median": quantile(values, 0.5), "median_low": low, "median_high": high}


def warnings_of(tried: Sequence[Tried], budget: Budget) -> dict[str, list[str]]:
    """Return warnings about the numbers, by the name of the row that they concern."""
    images = {one.name: set(one.records["index"]) for one in tried}
    if counting := [images[one.name] for one in tried if one.counts]:
        images[WORST] = set.intersection(*counting)
    found = {
        name: [f"only {len(each)} image{'' if len(each) == 1 else 's'}, so the interval is wide"]
        for name, each in images.items()
        if len(each) < FEW
    }
    suspects = [one for one in tried if _searches_within(one, budget)]
    iterative = next((one for name in ITERATIVE for one in suspects if one.name == name), None)
    if iterative is not None:
        evidence = Evidence(
            iterative=_attacked(iterative, budget),
            single_step=next((_attacked(one, budget) for one in tried if one.name == SINGLE_STEP), None),
            stronger=tuple(
                (CONTROL_KINDS[one.name], _attacked(one, budget)) for one in tried if one.name in CONTROL_KINDS
            ),
        )
        signs = [*signs_of_masking(evidence), *_far_stronger(iterative, tried, budget)]
        if signs:
            found.setdefault(iterative.name, []).extend(f"a sign of gradient masking: {sign}" for sign in signs)
    return found


def _far_stronger(iterative: Tried, tried: Sequence[Tried], budget: Budget) -> Iterator[str]:
    """Report attacks that leave far less accuracy than the iterative one on the same images.

    A few images fewer are no sign of masking: these attacks take more steps, from more starts.
    """
    suspect = _attacked(iterative, budget)
    for one in tried:
        other = _attacked(one, budget)
        if one.counts and one.name not in (*ITERATIVE, SINGLE_STEP, *CONTROL_KINDS) and other.fits_into(suspect):
            both = on_common_images([suspect.right(), other.right()]).to_numpy()
            own, left = both.mean(axis=0)
            if own - left >= FAR:
                yield (
                    f"{one.name} leaves an accuracy of {in_percent(left)}, "
                    f"{iterative.name} {in_percent(own)} on the same images"
                )


def _searches_within(one: Tried, budget: Budget) -> bool:
    """Whether an attack's ball lies in the budget, so that it can be blamed for what it misses there."""
    return one.epsilon_norm in (budget.norm, None) and not one.records["epsilon"].min() > budget.largest


def _attacked(one: Tried, budget: Budget) -> Attacked:
    """Return the attack's outcome on each image, and its ball.

    An image beyond the budget counts as not fooled, so no ball is larger than the budget, whatever its norm.
    """
    found = one.outcomes(budget)
    rows = one.records.iloc[found["row"]]
    within = rows[budget.norm] <= budget.largest
    prediction = rows["prediction"].where(within, rows["clean_prediction"])
    judged = rows[["index", "label", "clean_prediction"]].assign(prediction=prediction)
    own = float(rows["epsilon"].max()) if one.epsilon_norm == budget.norm else np.nan
    return Attacked(one.name, judged, float(np.fmin(own, budget.epsilon)))


def headline(table: pd.DataFrame, victim: str, ball: str) -> str:
    """Return the answer in one sentence. table: from `summarise`.  ball: the budget in words."""
    clean = table[table["attack"] == CLEAN].iloc[0]
    words = f"{victim} classifies {in_percent(clean['accuracy'])} of {clean['n']:,} clean images correctly"
    worst = table[table["attack"] == WORST]
    if worst.empty:
        return f"{words}."
    one = worst.iloc[0]
    interval = f"95 % interval {in_percent(one['low'])} to {in_percent(one['high'])}"
    worst_words = f"{in_percent(one['accuracy'])} of {one['n']:,} under the worst attack on each image within {ball}"
    return f"{words}, and {worst_words} ({interval})."
