"""What adversarial training asks of an attack, apart from any one attack."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Of (logits_of, images, labels, generator): the images, some of them attacked; see `adversarial_training`.
Harden = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Hardening:
    """train: what batches go through.  same: the same attack on every image.  pgd: PGD within the same radius."""

    train: Harden
    same: Harden
    pgd: Harden
