"""Run one attack of the config on many images of one victim, batch by batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, check_logits, unstack
from foolflow.attacks.judging import judge
from foolflow.attacks.loading import load_attack
from foolflow.attacks.selection import select
from foolflow.attacks.shards import share
from foolflow.data.splits import Split
from foolflow.defenses.filtered import through_filter
from foolflow.compute.memory import as_memory_allows
from foolflow.compute.prediction import to_float
from foolflow.jobs.progress import Progress

BATCH_SIZE = 250


@dataclass(frozen=True)
class AdversarialSet:
    """tensors: `images`, float32 (R, C, H, W), and what else the attack tells of each image, such as stAdv's `flow`.
    records: R rows, row i about image i (`judge` tells the columns).

    With an attack of E epsilons, all images at the first epsilon come first, then all at the next.
    """

    tensors: dict[str, Tensor]
    records: pd.DataFrame


def run_attack(
    victim: nn.Module,
    split: Split,
    entry: Mapping[str, Any],
    device: torch.device,
    *,
    shard: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> AdversarialSet:
    """Attack the images of the test split `split` that the config entry selects, as it says.

    shard: (i, k), the i-th (from 0) of k equal shares of the batches. Batches are the same for every k, and so is what
        becomes of each image; a share may be empty. `shards.gather` puts them together.
    The records also say which image of the test split (`index`) and which epsilon (NaN: the attack has none).
    A batch that does not fit in memory is attacked in halves.
    """
    selection = select(split.labels, len(split.class_names), entry)
    epsilon = entry.get("parameters", {}).get("epsilon")
    epsilons = epsilon if isinstance(epsilon, list) else [epsilon]
    batch_size = entry.get("batch_size", BATCH_SIZE)
    firsts = share(range(0, len(selection.indices), batch_size), *shard)
    progress = progress or Progress("attack", "batches")
    progress.begin(len(firsts))
    if not firsts:
        return AdversarialSet({"images": torch.empty(0, *split.images.shape[1:])}, pd.DataFrame())
    made: list[list[Adversarial]] = [[] for _ in epsilons]
    records: list[list[pd.DataFrame]] = [[] for _ in epsilons]

    def attack(batch: range) -> list[tuple[Adversarial, pd.DataFrame]]:
        """What is made of this part of the selection, and its records, at each epsilon."""
        rows = slice(batch.start, batch.stop)
        indices = selection.indices[rows]
        clean = to_float(torch.from_numpy(split.images[indices]), device)
        truth = torch.from_numpy(split.labels[indices]).to(device)
        targets = None if selection.targets is None else torch.from_numpy(selection.targets[rows]).to(device)
        with torch.no_grad():
            clean_logits = victim(clean)
        check_logits(clean_logits, truth, targets)
        with through_filter(victim, entry.get("filter_gradient", "own"), clean):
            at_each = list(_attack_at_each(victim, clean, truth, targets, entry, epsilons))
        judged = []
        for rank, adversarial in enumerate(at_each):
            table = judge(victim, clean, truth, targets, adversarial, clean_logits)
            table.insert(0, "index", indices)
            table.insert(1, "epsilon", np.nan if epsilons[rank] is None else float(epsilons[rank]))
            judged.append((adversarial, table))
        return judged

    for done, first in enumerate(firsts, start=1):
        batch = range(first, min(first + batch_size, len(selection.indices)))
        for part in as_memory_allows(attack, batch, progress.write):
            for rank, (adversarial, table) in enumerate(part):
                made[rank].append(adversarial)
                records[rank].append(table)
        progress.update(done)
    return AdversarialSet(
        _tensors([batch for batches in made for batch in batches]),
        pd.concat([table for tables in records for table in tables], ignore_index=True),
    )


def _tensors(made: list[Adversarial]) -> dict[str, Tensor]:
    """The images, and the details that are no single number (those are in the records)."""
    names = [name for name, tensor in made[0].details.items() if tensor.ndim > 1]
    return {
        "images": torch.cat([one.images.cpu() for one in made]),
        **{name: torch.cat([one.details[name].cpu() for one in made]) for name in names},
    }


def _attack_at_each(
    victim: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    entry: Mapping[str, Any],
    epsilons: list,
) -> Iterator[Adversarial]:
    """What the attack makes at each epsilon. Ours take all of them at once; others', one after the other."""
    given = {} if targets is None else {"targets": targets}
    if "method" in entry and ":" not in entry["method"] and len(epsilons) > 1:
        made = load_attack(entry, epsilons)(victim, images, labels, **given)
        for rank in range(len(epsilons)):
            yield unstack(made, rank)
    else:
        for epsilon in epsilons:
            yield load_attack(entry, epsilon)(victim, images, labels, **given)
