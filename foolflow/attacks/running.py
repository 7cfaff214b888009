"""Run an attack from the config on one victim, batch by batch."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, check_adversarial, unstack
from foolflow.attacks.loading import load_attack
from foolflow.attacks.selection import select
from foolflow.attacks.shards import share
from foolflow.compute.generators import seeded
from foolflow.compute.memory import in_halves_if_needed
from foolflow.compute.prediction import to_float
from foolflow.data.adversarial import AdversarialSet
from foolflow.data.splits import Split
from foolflow.defenses.filtered import through_filter
from foolflow.jobs.progress import Progress

BATCH_SIZE = 250


def run_attack(
    victim: nn.Module,
    split: Split,
    entry: Mapping[str, Any],
    device: torch.device,
    *,
    shard: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> AdversarialSet:
    """Attack the images that the config entry selects, with its method and parameters.

    split: the test split.
    entry: the attack's entry in the config.
    shard: (i, k) runs the i-th (from 0) of k nearly equal parts of the batches. The batches, and the result for each
        image, are the same for every k. A shard may be empty. `shards.gather` combines the shards.
    If a batch does not fit in memory, it is attacked in halves. Random numbers that a victim draws during an attack
    depend only on the batch.
    Raises InvalidInput if the attack fails, or returns anything except images of the same shape in [0, 1].
    """
    selection = select(split.labels, len(split.class_names), entry)
    epsilon = entry.get("parameters", {}).get("epsilon")
    epsilons = epsilon if isinstance(epsilon, list) else [epsilon]
    batch_size = entry.get("batch_size", BATCH_SIZE)
    firsts = share(range(0, len(selection.indices), batch_size), *shard)
    progress = progress or Progress("attack", "batches")
    progress.begin(len(firsts))
    made: list[list[dict[str, np.ndarray]]] = [[] for _ in epsilons]

    def attack(batch: range) -> list[dict[str, np.ndarray]]:
        """Return the tensors of this part of the selection, at each epsilon."""
        rows = slice(batch.start, batch.stop)
        indices = selection.indices[rows]
        clean = to_float(torch.from_numpy(split.images[indices]), device)
        truth = torch.from_numpy(split.labels[indices]).to(device)
        targets = None if selection.targets is None else torch.from_numpy(selection.targets[rows]).to(device)
        with (
            seeded("attack", batch.start, device=device),
            through_filter(victim, entry.get("filter_gradient", "own"), clean),
        ):
            at_each = list(_attack_at_each(victim, clean, truth, targets, entry, epsilons))
        for adversarial in at_each:
            check_adversarial(adversarial, clean)
        return [
            _tensors(adversarial, indices, epsilon, targets)
            for adversarial, epsilon in zip(at_each, epsilons, strict=True)
        ]

    for done, first in enumerate(firsts, start=1):
        batch = range(first, min(first + batch_size, len(selection.indices)))
        for part in in_halves_if_needed(attack, batch, progress.write):
            for rank, tensors in enumerate(part):
                made[rank].append(tensors)
        progress.update(done)
    blocks = [tensors for at_epsilon in made for tensors in at_epsilon] or [_no_images(split)]
    return AdversarialSet({name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]})


def _tensors(
    adversarial: Adversarial, indices: np.ndarray, epsilon: float | None, targets: Tensor | None
) -> dict[str, np.ndarray]:
    count = len(indices)
    return {
        "images": adversarial.images.cpu().numpy(),
        "index": indices.astype(np.int64),
        "epsilon": np.full(count, np.nan if epsilon is None else float(epsilon)),
        "target": np.full(count, -1) if targets is None else targets.cpu().numpy(),
        "iterations": adversarial.iterations.cpu().numpy(),
        "gradient_evaluations": adversarial.gradient_evaluations.cpu().numpy(),
        **{name: detail.detach().cpu().numpy() for name, detail in adversarial.details.items()},
    }


def _no_images(split: Split) -> dict[str, np.ndarray]:
    none = np.zeros(0, np.int64)
    return {
        "images": np.zeros((0, *split.images.shape[1:]), np.float32),
        "epsilon": np.zeros(0),
        **dict.fromkeys(("index", "target", "iterations", "gradient_evaluations"), none),
    }


def _attack_at_each(
    victim: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    entry: Mapping[str, Any],
    epsilons: list,
) -> Iterator[Adversarial]:
    """Yield the result at each epsilon. Only Foolflow's own attacks accept several epsilons at once."""
    given = {} if targets is None else {"targets": targets}
    if "method" in entry and ":" not in entry["method"] and len(epsilons) > 1:
        made = load_attack(entry, epsilons)(victim, images, labels, **given)
        for rank in range(len(epsilons)):
            yield unstack(made, rank)
    else:
        for epsilon in epsilons:
            yield load_attack(entry, epsilon)(victim, images, labels, **given)
