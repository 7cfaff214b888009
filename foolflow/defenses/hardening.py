"""The interface between the training loop and the attacks of adversarial training."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# (logits_of, images, labels, generator, progress) -> the images, some of them attacked; see `adversarial_training`.
Harden = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor, torch.Generator, float], Tensor]


@dataclass(frozen=True)
class Hardening:
    """The attacks of one adversarial training.

    train: attacks the training batches.  same: the same attack, on every image.  pgd: PGD with the same radius.
    """

    train: Harden
    same: Harden
    pgd: Harden
