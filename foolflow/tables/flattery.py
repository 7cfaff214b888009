"""How much better a defense looks under static attacks than under those made on the defended victim itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import SIGNIFICANT, compare_paired, holm
from foolflow.statistics.robustness import on_common_images
from foolflow.tables.over_seeds import spread_text
from foolflow.tables.wording import counted, rate_with_n
from foolflow.tables.writing import p_text, points

Victim = tuple[str, str, int]  # model, defense, seed
Attack = tuple[str, str]  # kind, name
STATIC = "static"


@dataclass(frozen=True)
class Contest:
    """The strongest static and the strongest direct attack on one victim, on the n images that both attacked.

    method: that of both attacks, which have no epsilon; None: they are those of the worst case, of any method.
    static_accuracy, direct_accuracy: what they leave.  p_value: of the exact McNemar test, corrected over all contests.
    """

    victim: Victim
    method: str | None
    static: Attack
    direct: Attack
    n: int
    static_accuracy: float
    direct_accuracy: float
    p_value: float


Right = Mapping[Victim, Mapping[Attack, pd.Series]]


def contests(right: Right, without_epsilon: Mapping[str, Right] | None = None) -> list[Contest]:
    """Return the contest of each victim that was attacked in both ways, and one for each method without an epsilon.

    right: of each attack in the worst case, whether the victim classifies each image correctly under it. The strongest
    attacks are those that leave a defense the least accuracy in the mean over the seeds.
    without_epsilon: the same by method, of attacks that are not in the worst case, since they have no epsilon.
    """
    parts: list[tuple[str | None, Right]] = [(None, right), *(without_epsilon or {}).items()]
    found = [one for method, part in parts for one in _contests(part, method)]
    adjusted = holm([one.p_value for one in found])
    return [replace(one, p_value=p_value) for one, p_value in zip(found, adjusted, strict=True)]


def _contests(right: Right, method: str | None) -> Iterator[Contest]:
    for (model, defense), victims in _by_defense(right).items():
        left: dict[Attack, list[float]] = {}
        for victim in victims:
            for attack, one in right[victim].items():
                left.setdefault(attack, []).append(float(one.mean()))
        ranked = sorted(left, key=lambda attack: float(np.mean(left[attack])))
        static = next((attack for attack in ranked if attack[0] == STATIC), None)
        direct = next((attack for attack in ranked if attack[0] != STATIC), None)
        if static is not None and direct is not None:
            for seed in (victim[2] for victim in victims):
                attacks = right[model, defense, seed]
                if static in attacks and direct in attacks:
                    yield _contest((model, defense, seed), method, static, direct, attacks)


def _by_defense(victims: Mapping[Victim, object]) -> dict[tuple[str, str], list[Victim]]:
    found: dict[tuple[str, str], list[Victim]] = {}
    for victim in victims:
        found.setdefault(victim[:2], []).append(victim)
    return found


def _contest(
    victim: Victim, method: str | None, static: Attack, direct: Attack, right: Mapping[Attack, pd.Series]
) -> Contest:
    both = on_common_images([right[static], right[direct]]).to_numpy()
    one, other = both.mean(axis=0) if len(both) else (float("nan"), float("nan"))
    p_value = compare_paired(both[:, 0], both[:, 1]).p_value
    return Contest(victim, method, static, direct, len(both), float(one), float(other), p_value)


def sentences(found: Sequence[Contest], where: str) -> Iterator[str]:
    """Yield a sentence for each defense and method.

    found: of one model.  where: the model in words, if there are several.
    """
    groups: dict[tuple[str, str | None], list[Contest]] = {}
    for one in found:
        groups.setdefault((one.victim[1], one.method), []).append(one)
    for (defense, method), contested in groups.items():
        of_seeds = [one for one in contested if one.n]
        if of_seeds:
            first = of_seeds[0]
            static, direct = (
                _rate([getattr(one, f"{kind}_accuracy") for one in of_seeds], first.n) for kind in (STATIC, "direct")
            )
            attacks = f"Of the attacks in the worst case{where}"
            if method is not None:
                attacks = f"Of the attacks{where} by {method}, which have no epsilon"
            yield (
                f"{attacks}, the strongest static one ({first.static[1]}) leaves "
                f"{defense} an accuracy of {static}. The strongest one made on {defense} itself "
                f"({first.direct[0].replace('_', ' ')} {first.direct[1]}) leaves {direct} on the same images: "
                f"{_difference(of_seeds)}."
            )


def _rate(values: Sequence[float], n: int) -> str:
    if len(values) > 1:
        series = pd.Series(values)
        return f"{spread_text(series.mean(), series.std(), 1)} % over {len(values)} seeds"
    return rate_with_n(values[0], n, *wilson_interval(round(values[0] * n), n))


def _difference(found: Sequence[Contest]) -> str:
    """Say which attack leaves less, if the tests show a difference."""
    significant = [one for one in found if one.p_value < SIGNIFICANT]
    if len(found) > 1:
        return f"a difference that is significant for {len(significant)} of {counted(len(found), 'seed')}"
    (one,) = found
    test = f"(exact McNemar test, Holm-corrected p {p_text(one.p_value)})"
    gap = one.static_accuracy - one.direct_accuracy
    if not significant:
        return f"no significant difference {test}"
    return f"{points(gap)} points {'less' if gap > 0 else 'more'} {test}"
