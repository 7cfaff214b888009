"""Divide one attack among several jobs, and put together what they made."""

from collections.abc import Sequence

import numpy as np

from foolflow.data.adversarial import AdversarialSet


def share(batches: Sequence[int], part: int, parts: int) -> Sequence[int]:
    """Return the `part`-th (from 0) of `parts` shares, as equal as whole batches allow."""
    return batches[part * len(batches) // parts : (part + 1) * len(batches) // parts]


def gather(made: Sequence[AdversarialSet], epsilons: int) -> AdversarialSet:
    """Return the set that an undivided run would have made.

    made: the set of each share, in order; shares without images are skipped.
    epsilons: how many the attack has; all images at the first come before all at the next, in each share and in the
    whole.
    """
    blocks = [{name: np.split(tensor, epsilons) for name, tensor in one.tensors.items()} for one in made if len(one)]
    return AdversarialSet(
        {
            name: np.concatenate([block[name][rank] for rank in range(epsilons) for block in blocks])
            for name in blocks[0]
        }
    )
