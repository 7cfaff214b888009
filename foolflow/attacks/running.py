"""Run one attack of the config on many images of one victim, batch by batch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, unstack
from foolflow.attacks.judging import judge
from foolflow.attacks.loading import load_attack
from foolflow.prediction import to_float

BATCH_SIZE = 250


@dataclass(frozen=True)
class AdversarialSet:
    """images: float32 (R, C, H, W).  records: R rows, row i about image i (`judge` tells the columns).

    R is N, or E x N for an attack with E epsilons: all images at the first epsilon, then all at the next.
    """

    images: Tensor
    records: pd.DataFrame


def run_attack(
    victim: nn.Module,
    images: Tensor,
    labels: Tensor,
    entry: Mapping[str, Any],
    device: torch.device,
    report: Callable[[str], None] = print,
) -> AdversarialSet:
    """Attack `images` (uint8 (N, C, H, W), labels int64 (N,)) as the config entry says.

    The records also say which image of the test split (`index`) and which epsilon (NaN: the attack has none).
    """
    epsilon = entry.get("parameters", {}).get("epsilon")
    epsilons = epsilon if isinstance(epsilon, list) else [epsilon]
    batch_size = entry.get("batch_size", BATCH_SIZE)
    made: list[list[Tensor]] = [[] for _ in epsilons]
    records: list[list[pd.DataFrame]] = [[] for _ in epsilons]
    for first in range(0, len(labels), batch_size):
        clean = to_float(images[first : first + batch_size], device)
        truth = labels[first : first + batch_size].to(device)
        with torch.no_grad():
            clean_predictions = victim(clean).argmax(1)
        for rank, adversarial in enumerate(_attack_at_each(victim, clean, truth, entry, epsilons)):
            table = judge(victim, clean, truth, None, adversarial, clean_predictions)
            table.insert(0, "index", range(first, first + len(table)))
            table.insert(1, "epsilon", float("nan") if epsilons[rank] is None else float(epsilons[rank]))
            made[rank].append(adversarial.images.cpu())
            records[rank].append(table)
        report(f"{first + len(truth):,} of {len(labels):,} images")
    return AdversarialSet(
        torch.cat([batch for batches in made for batch in batches]),
        pd.concat([table for tables in records for table in tables], ignore_index=True),
    )


def _attack_at_each(
    victim: nn.Module, images: Tensor, labels: Tensor, entry: Mapping[str, Any], epsilons: list
) -> Iterator[Adversarial]:
    """What the attack makes at each epsilon. Ours take all of them at once; the user's, one after the other."""
    if "python" in entry or len(epsilons) == 1:
        for epsilon in epsilons:
            yield load_attack(entry, epsilon)(victim, images, labels)
    else:
        made = load_attack(entry, epsilons)(victim, images, labels)
        for rank in range(len(epsilons)):
            yield unstack(made, rank)
