"""Shared by dichotomy and fixed_norm: the parameters of a search, its results and its cost."""

import torch
from torch import Tensor, nn

from foolflow.attacks.shortest import Shortest, column, length
from foolflow.compute.seeds import derived_seed


class Search:
    """The parameters of a search for the smallest norm, its best results and its cost."""

    def __init__(
        self,
        model: nn.Module,
        shortest: Shortest,
        steps: int,
        rate: float,
        low: float,
        high: float,
        precision: float,
        seed: int,
    ) -> None:
        self.model, self.shortest, self.norm = model, shortest, shortest.norm
        self.steps, self.rate, self.low, self.high, self.precision = steps, rate, low, high, precision
        self.seed = seed
        self.iterations = torch.zeros_like(shortest.labels)
        self.evaluations = torch.zeros_like(shortest.labels)

    @property
    def clean(self) -> Tensor:
        return self.shortest.clean

    def furthest(self, rows: Tensor) -> Tensor:
        """Return the norm of the longest perturbation of these images within [0, 1]: (M,)."""
        clean = self.clean[rows]
        return length(torch.maximum(clean, 1 - clean), self.norm)

    def random_directions(self, count: int) -> Tensor:
        """Return (count, C, H, W), each of length 1."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "dichotomy"))
        directions = torch.randn(count, *self.clean.shape[1:], generator=generator).to(self.clean.device)
        return directions / column(length(directions, self.norm))
