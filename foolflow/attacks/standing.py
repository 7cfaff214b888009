"""The images of a batch that are not fooled yet, for attacks that stop at the first success."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.attacks.base import (
    Adversarial,
    clean_scale,
    conclude,
    has_answer,
    is_clear_success,
    is_success,
    rival_logits,
)

LEAST_AT_ONCE = 16  # points that go through the model at once, even if the batch is smaller


class Standing:
    """Which images are not fooled yet, and what was found for each image.

    An image is fooled for good by a clear success (see `is_clear_success`). A success within the rounding error, such
    as a tie, is kept, but the search for a clear one goes on.

    clean, labels, targets, scale: of all N images of the batch.  logits: (N, K), of the clean images.
    rows: int64 (M,), the indices of the images that are not fooled.
    per_image: number T of points that are tried for each of them. The points of an image lie next to each other.
    """

    def __init__(self, model: nn.Module, clean: Tensor, labels: Tensor, targets: Tensor | None = None) -> None:
        """Raises InvalidInput if the model's logits for the clean images are not valid."""
        with torch.no_grad():
            self.logits = model(clean)
        self.model, self.clean, self.labels, self.targets = model, clean, labels, targets
        self.scale = clean_scale(self.logits, labels, targets)
        self._found = clean.clone()
        self._iterations, self._evaluations = torch.zeros_like(labels), torch.zeros_like(labels)
        self._succeeded = is_success(self.logits.argmax(1), labels, targets)
        self.rows = (~self._succeeded).nonzero().squeeze(1)
        self.per_image = 1
        self._at_once = max(len(clean), LEAST_AT_ONCE)

    def __len__(self) -> int:
        return len(self.rows)

    def of_points(self, values: Tensor) -> Tensor:
        """Return values (N, ...) of the images for each point: (M T, ...)."""
        return values[self.rows].repeat_interleave(self.per_image, 0) if self.per_image > 1 else values[self.rows]

    def goals(self) -> tuple[Tensor, Tensor | None]:
        """Return the labels and the targets of the points."""
        return self.of_points(self.labels), None if self.targets is None else self.of_points(self.targets)

    def likely_classes(self, count: int) -> Tensor:
        """Return the most likely wrong classes of each image, the likeliest first: int64 (M, count).

        With targets: the target. There are no more than the model has.
        """
        if self.targets is not None:
            return self.targets[self.rows, None]
        rivals = rival_logits(self.logits[self.rows], self.labels[self.rows])
        return rivals.sort(dim=1, descending=True, stable=True).indices[:, : min(count, rivals.shape[1] - 1)]

    def narrow(self, promise: Tensor, count: int) -> Tensor:
        """Keep the `count` most promising points of each image. Return their indices, int64 (M count,).

        promise: (M T,).
        """
        order = promise.view(-1, self.per_image).sort(dim=1, descending=True, stable=True).indices[:, :count]
        kept = self._first_points() + order.sort(dim=1).values
        self.per_image = count
        return kept.flatten()

    def record(self, points: Tensor, logits: Tensor, inside: Tensor | None = None) -> Tensor | None:
        """Record the points that were tried, and drop the images that one of them fools.

        points: (M T, C, H, W).  logits: (M T, K).  inside: bool (M T,), whether a point counts; None: all do.
        Returns the indices of the points whose images stay, int64, or None if all stay.
        """
        self._iterations[self.rows] += self.per_image
        labels, targets = self.goals()
        succeeded = is_success(logits.argmax(1), labels, targets) & has_answer(logits)
        if inside is not None:
            succeeded &= inside
        if not succeeded.any():
            return None
        clear = succeeded & is_clear_success(logits, labels, targets, self.of_points(self.scale))
        rank, which = (succeeded.int() + clear.int()).view(-1, self.per_image).max(1)
        # A clear success replaces one within the rounding error; the first of these replaces nothing but failures.
        better = ((rank == 2) | ((rank == 1) & ~self._succeeded[self.rows])).nonzero().squeeze(1)
        self._found[self.rows[better]] = points[(self._first_points().squeeze(1) + which)[better]]
        self._succeeded[self.rows[better]] = True
        if not (rank == 2).any():
            return None
        stay = (rank < 2).nonzero().squeeze(1)
        kept = self._first_points()[stay] + torch.arange(self.per_image, device=stay.device)
        self.rows = self.rows[stay]
        return kept.flatten()

    def forward(self, points: Tensor) -> Tensor:
        """Return the logits of points (R, C, H, W): (R, K). Needs no more memory than the batch of clean images."""
        with torch.no_grad():
            return torch.cat([self.model(part) for part in points.split(self._at_once)])

    def gradients(self, points: Tensor, loss: Callable[[Tensor, slice], Tensor]) -> tuple[Tensor, Tensor]:
        """Return the logits of the points (M T, K) and the gradients of a loss (M T, C, H, W), 0 where not finite.

        loss: called with the logits of some of the points (R, K) and their slice; returns their losses (R,).
        """
        self._evaluations[self.rows] += self.per_image
        logits, gradients = [], []
        for first in range(0, len(points), self._at_once):
            rows = slice(first, first + self._at_once)
            inputs = points[rows].detach().requires_grad_()
            found = self.model(inputs)
            gradients.append(torch.autograd.grad(loss(found, rows).sum(), inputs)[0])
            logits.append(found.detach())
        return torch.cat(logits), torch.cat(gradients).nan_to_num_(0, 0, 0)

    def settle(self, promise: Tensor, points: Tensor) -> None:
        """Keep the most promising point of each image that nothing fooled.

        promise: (M T,).  points: (M T, C, H, W).
        """
        if len(self) == 0:
            return
        which = self._first_points().squeeze(1) + promise.view(-1, self.per_image).argmax(1)
        failed = ~self._succeeded[self.rows]
        self._found[self.rows[failed]] = points[which[failed]]

    def conclude(self) -> Adversarial:
        return conclude(self.model, self._found, self.labels, self.targets, self._iterations, self._evaluations)

    def _first_points(self) -> Tensor:
        """Return the index of the first point of each image, (M, 1)."""
        return torch.arange(len(self), device=self.rows.device)[:, None] * self.per_image


def rounds(classes: int, steps: int, shares: Sequence[float]) -> list[tuple[int, int]]:
    """Return for each round of a search that aims at several classes (how many, steps).

    All classes get a part of the steps, the more promising half of them more, and the best quarter all `steps`.
    shares: of the steps, in each of the three rounds. Rounds with equally many classes are joined.
    """
    counts = [max(classes // part, 1) for part in (1, 2, 4)]
    ends = [round(sum(shares[: rank + 1]) * steps) for rank in range(len(counts))]
    found: dict[int, int] = {}
    for count, steps_of_round in zip(counts, np.diff([0, *ends]).tolist(), strict=True):
        found[count] = found.get(count, 0) + steps_of_round
    return [(count, steps_of_round) for count, steps_of_round in found.items() if steps_of_round]
