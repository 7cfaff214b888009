"""Divide an attack among several jobs, and combine their results."""

from collections.abc import Sequence

import numpy as np

from foolflow.data.adversarial import AdversarialSet


def share(batches: Sequence[int], part: int, parts: int) -> Sequence[int]:
    """Return the `part`-th (from 0) of `parts` shares of the batches. Their sizes differ by at most one batch."""
    return batches[part * len(batches) // parts : (part + 1) * len(batches) // parts]


def gather(made: Sequence[AdversarialSet], epsilons: int) -> AdversarialSet:
    """Combine shards into the set that an undivided run would have produced.

    made: the sets of all shards, in order. Shards without images are skipped.
    epsilons: the number of epsilons of the attack. In each shard and in the result, the images are grouped by epsilon.
    """
    blocks = [{name: np.split(tensor, epsilons) for name, tensor in one.tensors.items()} for one in made if len(one)]
    return AdversarialSet(
        {
            name: np.concatenate([block[name][rank] for rank in range(epsilons) for block in blocks])
            for name in blocks[0]
        }
    )
