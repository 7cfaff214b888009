"""Phrases that the findings of several tables share."""

from collections.abc import Sequence

import pandas as pd

from foolflow.tables.writing import percent, percent_interval, points


def listed(names: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def rate_with_n(rate: float, n: int, low: float, high: float, digits: int = 1, images: str = "images") -> str:
    """Return for instance `97.8 % of 500 images (95 % interval 96.1 to 98.8)`. All but n are fractions."""
    interval = percent_interval(low, high, digits)
    return f"{percent(rate, digits)} % of {int(n):,} {images} (95 % interval {interval})"


def overlap(one: pd.Series, other: pd.Series) -> str:
    """Say whether two intervals overlap, from `low` to `high` each. It is no test: the images may be the same."""
    apart = one["low"] > other["high"] or other["low"] > one["high"]
    return f"the intervals {'do not ' if apart else ''}overlap"


def agreement(source: str, measure: tuple[str, str], compared: Sequence[tuple[str, float | None]]) -> list[str]:
    """Return one sentence on how published values compare with ours; nothing if none were published.

    source: its name.  measure: what was published, in singular and plural.
    compared: for each row its name, and the deviation from `foolflow.tables.writing.deviation`.
    """
    known = [(name, difference) for name, difference in compared if difference is not None]
    if not known:
        return []
    start = f"Published ({source.replace('_', ' ')})"
    inside = sum(difference == 0 for _, difference in known)
    if len(known) == 1:
        where = "within" if inside else "outside"
        words = f"{start}: the {measure[0]} lies {where} our 95 % interval"
    else:
        many = "all" if inside == len(known) else "none" if not inside else str(inside)
        verb = "lies" if inside == 1 else "lie"
        words = f"{start}: {many} of {len(known)} {measure[1]} {verb} within our 95 % intervals"
    apart = [_apart(known, sign) for sign in (1, -1)]
    return ["; ".join([words, *(one for one in apart if one)]) + "."]


def _apart(known: Sequence[tuple[str, float]], sign: int) -> str:
    """Return how far ours is above (sign 1) or below (-1) the published values that disagree."""
    beyond = [(name, difference) for name, difference in known if sign * difference > 0]
    if not beyond:
        return ""
    name, largest = max(beyond, key=lambda one: abs(one[1]))
    direction = "higher" if sign > 0 else "lower"
    if len(beyond) == 1:
        return f"ours is {points(largest)} points {direction} for {name}"
    return f"ours is {direction} in {len(beyond)}, by up to {points(largest)} points for {name}"
