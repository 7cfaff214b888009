"""Divide an attack among several jobs, and combine their results."""

from collections.abc import Sequence
from pathlib import Path

from foolflow.compute.batch_size import default_batch_size
from foolflow.data.adversarial import AdversarialSet, load_set
from foolflow.data.tensors import write_tensors

BLOCK = 1000  # images that are copied at once, if they are small


def share(batches: Sequence[int], part: int, parts: int) -> Sequence[int]:
    """Return the `part`-th (from 0) of `parts` shares of the batches. Their sizes differ by at most one batch."""
    return batches[part * len(batches) // parts : (part + 1) * len(batches) // parts]


def gather(made: Sequence[AdversarialSet], epsilons: int, path: Path) -> AdversarialSet:
    """Combine consecutive shards into the set that one job would have produced from their batches, in slices.

    made: the sets of the shards, in order, or of groups of them that were combined before. Empty ones are skipped; if
        all are empty, so is the result.
    epsilons: the number of epsilons of the attack. In each shard and in the result, the images are grouped by epsilon.
    path: the file to write.
    """
    shards = [one for one in made if len(one)] or made[:1]
    total = sum(len(one) for one in shards)
    layout = {name: (dtype, (total, *shape[1:])) for name, (dtype, shape) in shards[0].layout.items()}
    block = default_batch_size(BLOCK, shards[0].tensors["images"].shape[1:])
    with write_tensors(path, layout) as writer:
        for name in layout:
            place = 0
            for rank in range(epsilons):
                for one in shards:
                    each = len(one) // epsilons
                    for first in range(rank * each, (rank + 1) * each, block):
                        rows = one.tensors[name][first : min(first + block, (rank + 1) * each)]
                        writer.write(name, place, rows)
                        place += len(rows)
    return load_set(path)
