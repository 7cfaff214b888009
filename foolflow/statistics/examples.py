"""Choose the images of a victim to show."""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from foolflow.statistics.budget import Budget
from foolflow.statistics.robustness import outcomes

COUNT = 8


def choose(
    records: Mapping[str, pd.DataFrame],
    budget: Budget | None,
    epsilon_norms: Mapping[str, str | None] = MappingProxyType({}),
    count: int = COUNT,
) -> list[tuple[str, int]]:
    """Choose up to `count` images that were classified correctly, each with the first attack that fooled it.

    Fooled images come first, and within these the classes alternate.
    records: of each attack, by name.  epsilon_norms: see `outcomes`; may lack attacks with a single epsilon.
    Returns for each image the attack and the row of its records.
    """
    candidates: dict[int, tuple[bool, int, str, int]] = {}
    for name, table in records.items():
        found = outcomes(table, budget, epsilon_norms.get(name))
        for index, one in found[found["clean"]].iterrows():
            row = int(one["row"])
            known = candidates.get(int(index))  # type: ignore[call-overload]
            if known is None or (known[0] and not one["right"]):
                candidates[int(index)] = bool(one["right"]), int(table["label"].iloc[row]), name, row  # type: ignore[call-overload]
    if not candidates:
        return []
    listed = pd.DataFrame.from_dict(
        candidates, orient="index", columns=["right", "label", "attack", "row"]
    ).sort_index()
    listed["turn"] = listed.groupby(["right", "label"]).cumcount()
    chosen = listed.sort_values(["right", "turn"], kind="stable").head(count)
    return list(zip(chosen["attack"], chosen["row"].astype(int), strict=True))
