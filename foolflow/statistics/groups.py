"""Which entries of a ranking differ significantly: all pairs, as compact letters."""

from collections.abc import Collection, Sequence
from itertools import combinations
from string import ascii_letters

import numpy as np

from foolflow.statistics.paired import compare_paired, holm

Pair = tuple[int, int]  # of two entries, the smaller index first


def compare_all(right: Sequence[np.ndarray]) -> dict[Pair, float]:
    """Compare all pairs of victims with the exact McNemar test. Return Holm's p-values over all of them.

    right: one bool (N,) per victim, for the same images.
    Raises ValueError if the victims were not measured on equally many images.
    """
    if len({len(one) for one in right}) > 1:
        raise ValueError("the victims were not measured on the same images")
    pairs = list(combinations(range(len(right)), 2))
    adjusted = holm([compare_paired(right[one], right[other]).p_value for one, other in pairs])
    return dict(zip(pairs, adjusted, strict=True))


def compact_letters(order: Sequence[int], different: Collection[Pair]) -> list[str]:
    """Return the letters of each entry, by its index. Two entries share a letter if and only if they do not differ.

    order: the indices 0 to K - 1, the best entry first; `a` is a letter of the best one.
    different: the pairs that differ significantly.

    The insert-and-absorb algorithm of Piepho (2004, doi 10.1198/1061860043515). That two entries do not differ from a
    third one does not mean that they do not differ from each other, so an entry may have several letters. No letter
    could be given to one entry more.
    """
    place = {entry: rank for rank, entry in enumerate(order)}
    columns = [frozenset(place.values())] if order else []
    for pair in sorted(tuple(sorted(place[entry] for entry in pair)) for pair in different):
        split = [column for column in columns if column.issuperset(pair)]
        whole = [column for column in columns if not column.issuperset(pair)]
        halves = {column - {entry} for column in split for entry in pair}
        columns = [*whole, *(half for half in halves if not _is_absorbed(half, [*whole, *halves]))]
    columns.sort(key=sorted)
    letters = [
        "".join(_letter(number) for number, column in enumerate(columns) if rank in column)
        for rank in range(len(order))
    ]
    return [letters[place[entry]] for entry in range(len(order))]


def _is_absorbed(column: frozenset[int], others: Collection[frozenset[int]]) -> bool:
    return any(column < other for other in others)


def _letter(number: int) -> str:
    """Return a for 0, Z for 51, a2 for 52: no text of several letters can be read in two ways."""
    round_, place = divmod(number, len(ascii_letters))
    return ascii_letters[place] + (str(round_ + 1) if round_ else "")
