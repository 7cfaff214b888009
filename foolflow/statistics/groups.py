"""Groups of a ranking: victims whose accuracies on the same images do not differ significantly."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from foolflow.statistics.paired import compare_paired, holm


def groups(right: Sequence[np.ndarray], level: float = 0.05) -> list[int]:
    """Return for each victim the number of its group, 1 for the group of the best victim.

    right: one bool (N,) per victim, for the same images; the victims may come in any order.  level: of significance.

    The victims are ranked by accuracy; equal victims keep the given order. All pairs are compared with the exact
    McNemar test, and the p-values are corrected together (Holm). The best victim opens a group. Each following victim
    joins it if it does not differ significantly from the victim that opened the group; otherwise it opens the next one.

    So a group means that none of its victims differs significantly from the best of that group. It does not mean more:
    two other victims of one group may differ significantly; a victim need not differ significantly from all victims
    of the group above, only from its best; and no significant difference is not evidence that two victims are equal.

    Raises ValueError if the victims were not measured on equally many images.
    """
    if len({len(one) for one in right}) > 1:
        raise ValueError("the victims were not measured on the same images")
    order = sorted(range(len(right)), key=lambda victim: -int(right[victim].sum()))
    pairs = list(combinations(order, 2))
    p_values = holm([compare_paired(right[upper], right[lower]).p_value for upper, lower in pairs])
    differ = {pair for pair, p_value in zip(pairs, p_values, strict=True) if p_value <= level}
    found, opener, group = [0] * len(right), None, 0
    for victim in order:
        if opener is None or (opener, victim) in differ:
            opener, group = victim, group + 1
        found[victim] = group
    return found
