"""Detect victims that draw random numbers, and average over their draws."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.compute.generators import seeded
from foolflow.compute.memory import in_halves_if_needed
from foolflow.compute.prediction import say
from foolflow.models.adapters import as_module
from foolflow.models.outputs import are_close, logits_of

DRAWS = 10  # over which the attacks and the judgements of a random victim average
PASSES = 8  # that are compared; a victim that tosses one coin per pass goes undetected once in 128 times
TRIED = 4  # images in each of these passes
EXACT = 1e-5  # of the largest logit (see `are_close`); smaller differences are rounding


@torch.no_grad()
def is_random(victim: nn.Module, images: Tensor) -> bool:
    """Whether several passes over the same images give different logits.

    victim: in eval mode.  images: float32 (N, C, H, W) in [0, 1], of which the first TRIED are used.
    The state of the generators does not change.
    Raises InvalidInput if a single image does not fit in memory.
    """
    tried = images[:TRIED]
    if len(tried) == 0:
        return False

    def differs(rows: range) -> bool:
        with seeded("is it random?", device=images.device):
            first = victim(tried[rows.start : rows.stop].clone())
            for _ in range(PASSES - 1):
                if not are_close(victim(tried[rows.start : rows.stop].clone()), first, EXACT):
                    return True
        return False

    return any(in_halves_if_needed(differs, range(len(tried)), say))


def draws_of(victim: nn.Module, images: Tensor) -> int:
    """Return how many draws to average over: 1 unless the victim is random (see `is_random`)."""
    return DRAWS if is_random(victim, images) else 1


class Expected(nn.Module):
    """A random victim in expectation: the mean of the logits of `samples` passes.

    Its gradient is that of expectation over transformation (Athalye et al. 2018, arXiv 1707.07397), with the mean taken
    over the logits rather than over their loss, so that it fits every attack.
    """

    def __init__(self, victim: nn.Module, samples: int) -> None:
        super().__init__()
        self.victim, self.samples = victim, samples

    def forward(self, images: Tensor) -> Tensor:
        total = logits_of(self.victim(images), len(images))
        for _ in range(self.samples - 1):
            total = total + logits_of(self.victim(images), len(images))
        return total / self.samples


def expected(victim: Callable[[Tensor], Any], samples: int) -> nn.Module:
    """Return the victim itself for one sample, and otherwise an `Expected`.

    victim: any model that an attack takes, a module or a function.
    """
    network = as_module(victim)
    return network if samples == 1 else Expected(network, samples)
