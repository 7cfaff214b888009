"""Phrases that the findings of several tables share."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from foolflow.tables.writing import percent, percent_interval, points

MOST = 5  # parts of a list in a sentence
NORMS = {"l1": "L1", "l2": "L2", "linf": "L∞"}
ALL_COUNT = (  # a note on the accuracy under a single attack
    "Every attacked image counts, including those that are misclassified when clean; one of these that the attack "
    "turns right counts as right."
)


def listed(names: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`. Of more than MOST names, some are counted: `a, b, c, d and 2 others`."""
    if len(names) > MOST:
        names = [*names[: MOST - 1], f"{len(names) - MOST + 1:,} others"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def counted(count: int, thing: str) -> str:
    """Return for instance `1 network` or `2,000 networks`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Format a duration for readers: 43 s, 12:05 min, 3:20 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"


def span(values: Sequence[float], text: Callable[[float], str]) -> str:
    """Return the smallest and the largest value, such as `1.2 to 3.4`, or a single text if both look the same."""
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def rate_with_n(rate: float, n: int, low: float, high: float, digits: int = 1, images: str = "images") -> str:
    """Return for instance `97.8 % of 500 images (95 % interval 96.1 to 98.8)`. All but n are fractions."""
    interval = percent_interval(low, high, digits)
    return f"{percent(rate, digits)} % of {int(n):,} {images} (95 % interval {interval})"


def tied_rate(rows: pd.DataFrame, rate: str, digits: int = 1) -> str:
    """Describe the rate that these rows share, with their numbers of images."""
    if len(rows) == 1:
        row = rows.iloc[0]
        return rate_with_n(row[rate], row["n"], row["low"], row["high"], digits)
    return f"{percent(rows[rate].iloc[0], digits)} % of {span(rows['n'].tolist(), '{:,.0f}'.format)} images each"


def overlap(one: pd.Series, other: pd.Series) -> str:
    """Say whether two intervals overlap, from `low` to `high` each. It is no test: the images may be the same."""
    apart = one["low"] > other["high"] or other["low"] > one["high"]
    return f"the intervals {'do not ' if apart else ''}overlap"


def extremes(rows: pd.DataFrame, rate: str, names: Sequence[str], digits: int = 1) -> str:
    """Describe the highest and the lowest rate; an empty text if no rate is known.

    rows: with the rate, `n`, `low` and `high`.  names: of the rows.
    """
    known = rows.assign(name=list(names)).dropna(subset=rate)
    if known.empty:
        return ""

    def of(rows: pd.DataFrame) -> str:
        if len(rows) > 1:
            return f"{tied_rate(rows, rate, digits)} of {listed(rows['name'].tolist())}"
        row = rows.iloc[0]
        return rate_with_n(row[rate], row["n"], row["low"], row["high"], digits, f"images of {row['name']}")

    top, bottom = (known[known[rate] == value] for value in (known[rate].max(), known[rate].min()))
    if len(top) == len(known):
        return of(top)
    apart = f"; {overlap(top.iloc[0], bottom.iloc[0])}" if len(top) == len(bottom) == 1 else ""
    return f"{of(top)}, the most, and {of(bottom)}, the least{apart}"


def random_note(victims: Mapping[str, int]) -> list[str]:
    """Say over how many passes random victims are averaged; nothing if there are none.

    victims: the number of passes, by dataset/model/defense.
    """
    return [
        f"Of these victims, {listed(names)} {'draws' if len(names) == 1 else 'draw'} random numbers: each prediction "
        f"is that of the mean probabilities of {passes} passes."
        for passes in dict.fromkeys(victims.values())
        if (names := [name for name, count in victims.items() if count == passes])
    ]


def agreement(source: str, measure: str, compared: Sequence[tuple[str, float | None]]) -> list[str]:
    """Return one sentence on how published values compare with ours; nothing if none were published.

    source: its name.  measure: what was published.
    compared: for each row its name, and the deviation from `foolflow.tables.writing.deviation`.
    """
    known = [(name, difference) for name, difference in compared if difference is not None]
    if not known:
        return []
    start = f"Published ({source.replace('_', ' ')})"
    inside = sum(difference == 0 for _, difference in known)
    if len(known) == 1:
        where = "within" if inside else "outside"
        words = f"{start}: the {measure} lies {where} our 95 % interval"
    else:
        many = "all" if inside == len(known) else "none of" if not inside else f"{inside} of"
        words = f"{start}: the {measure} lies within our 95 % interval in {many} {len(known)} comparisons"
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
