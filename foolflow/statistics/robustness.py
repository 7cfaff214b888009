"""Robust accuracy under several attacks within a budget, and rankings by it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from foolflow.errors import InvalidInput
from foolflow.statistics.attempts import right_before
from foolflow.statistics.budget import Budget


def outcomes(records: pd.DataFrame, budget: Budget | None, epsilon_norm: str | None = None) -> pd.DataFrame:
    """Summarise one attack: return one row per image, indexed and sorted by the image's index in the test split.

    records: as in an Attempt.  budget: a larger perturbation does not count as a success; None: no limit.
    epsilon_norm: the norm of the attack's epsilons; None: unknown, or it has none.
    Columns:
        clean: the victim classifies the clean image correctly.
        right: it also does so under the attack. A clean error stays an error, because an adversary may leave the image
            unchanged. With several epsilons, see `counting_epsilon`. With several adversarial images of one image,
            such as one for each target, a single success is enough.
        row: a row of the records, that of a successful adversarial image if there is one.
    Raises InvalidInput if no epsilon is within the budget.
    """
    table = records.reset_index(drop=True)
    epsilon = counting_epsilon(table, budget, epsilon_norm)
    table = table if epsilon is None else table[table["epsilon"] == epsilon]
    clean = right_before(table)
    within = True if budget is None else table[budget.norm] <= budget.largest
    fooled = clean & (table["prediction"] != table["label"]) & within
    found = pd.DataFrame({"row": table.index, "clean": clean, "right": clean & ~fooled})
    found = found.set_axis(pd.Index(table["index"], name="image")).sort_values("right", kind="stable")
    return found[~found.index.duplicated()].sort_index()


def counting_epsilon(records: pd.DataFrame, budget: Budget | None, epsilon_norm: str | None) -> float | None:
    """Return which of several epsilons counts, the largest within the budget; None if all records count.

    They do unless the epsilons are known to be of the budget's norm: the size of an image in one norm does not follow
    from its epsilon in another, so the measured perturbation of each adversarial image decides.
    records, budget, epsilon_norm: as for `outcomes`.
    Raises InvalidInput if no epsilon is within the budget.
    """
    epsilons = np.sort(records["epsilon"].dropna().unique())
    if len(epsilons) < 2 or (budget is not None and epsilon_norm != budget.norm):
        return None
    within = epsilons if budget is None else epsilons[epsilons <= budget.largest]
    if len(within) == 0:
        raise InvalidInput(f"none of the attack's epsilons {epsilons.tolist()} is within the budget")
    return float(within[-1])


def in_common(found: Sequence[pd.DataFrame]) -> pd.Index:
    """Return the images that all of these outcomes include, in the order of the test split."""
    shared = found[0].index
    for table in found[1:]:
        shared = shared.intersection(table.index)
    return shared.sort_values()


def on_common_images(right: Sequence[pd.Series]) -> pd.DataFrame:
    """Align several attacks: one row for each image that all of them attacked, one bool column for each attack.

    right: for each attack, whether the victim classifies each image correctly under it.
    """
    return pd.concat(right, axis=1, join="inner").astype(bool)


def worst_case(right: Sequence[pd.Series]) -> pd.Series:
    """Return whether the victim classifies each image correctly under every attack, for images that all attacked.

    right: as for `on_common_images`.
    """
    return on_common_images(right).all(axis=1)


def ranks(scores: Sequence[float]) -> list[int]:
    """Rank the scores, 1 for the highest. Equal scores share a rank, and the next rank is skipped (1, 1, 3)."""
    return pd.Series(scores, dtype=float).rank(method="min", ascending=False).astype(int).tolist()
