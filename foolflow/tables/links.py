"""Links from the numbers of a table to the adversarial images behind them.

A link is a cell: `dataset`, `model`, `defense` and `seed` of the victim that judges the images, and
    attack: the name of the adversarial set, or attacks: the names of several. Absent if the number is clean: the link
        then leads to the victim.
    source: with an attack, the victim that the images were made on, as model/defense; None: the judging victim itself.
    epsilon: if the set has several, that of the images.
    outcome: `fooled` or `resisted`, if the number is about these images alone.
    within: [norm, size] of the perturbations that count, if larger ones do not.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from foolflow.data.cells import VICTIM
from foolflow.statistics.budget import Budget

Link = dict[str, Any]
Row = Mapping[Any, Any]  # a cell, or a row of a table as a dict


def to_victim(cell: Row) -> Link:
    """Return the link to a victim. cell: names the victim."""
    return {key: int(cell[key]) if key == "seed" else str(cell[key]) for key in VICTIM}


def to_images(
    cell: Row,
    attack: str | None = None,
    *,
    source: str | None = None,
    epsilon: float | None = None,
    outcome: str | None = None,
    budget: Budget | None = None,
) -> Link:
    """Return the link to an adversarial set, or to a part of it.

    cell: names the victim and, unless it is given, the attack.  source: as in a cell; it may be the victim itself.
    budget: the perturbations that count; None: all.
    """
    own = f"{cell['model']}/{cell['defense']}"
    link = to_victim(cell) | {"attack": attack or cell["attack"], "source": None if source == own else source}
    if epsilon is not None:
        link["epsilon"] = float(epsilon)
    if outcome is not None:
        link["outcome"] = outcome
    return link | _within(budget)


def to_attacks(cell: Row, attacks: Iterable[str], budget: Budget | None = None) -> Link:
    """Return the link to all images that these attacks made for a victim, on whatever victim.

    cell: names the victim.  budget: as for `to_images`.
    """
    return to_victim(cell) | {"attacks": list(dict.fromkeys(attacks))} | _within(budget)


def _within(budget: Budget | None) -> Link:
    return {} if budget is None else {"within": [budget.norm, budget.epsilon]}


def links(display: pd.DataFrame, rows: Sequence[Mapping[str, Link]]) -> dict[tuple[int, str], Link]:
    """Return the links of a table. rows: for each row of the display, the link of each column.

    Columns that the display lacks, and cells without text, have no link.
    """
    return {
        (row, column): link
        for row, columns in enumerate(rows)
        for column, link in columns.items()
        if column in display and display[column].iloc[row]
    }
