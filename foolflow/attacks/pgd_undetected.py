"""Projected gradient descent against a victim that detects adversarial images by feature squeezing."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from foolflow.attacks.ball import project, random_start, steepest
from foolflow.attacks.base import Adversarial, at_each, check_choice, clean_scale, conclude, is_clear_success
from foolflow.attacks.border import for_any_model
from foolflow.attacks.norms import NORMS
from foolflow.compute.freezing import frozen
from foolflow.compute.seeds import derived_seed
from foolflow.defenses.filtered import Filtered, through_filter
from foolflow.defenses.loading import load_filter
from foolflow.defenses.squeezing import squeezing_scores
from foolflow.errors import InvalidInput

TRIED = 4  # images of noise, on which a squeezer has a gradient or not


@for_any_model
def pgd_undetected(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    epsilon: float | Sequence[float],
    squeezers: Sequence[Mapping[str, Any]],
    weight: float = 1.0,
    norm: str = "linf",
    steps: int = 100,
    step_size: float | None = None,
    restarts: int = 1,
    seed: int = 0,
) -> Adversarial:
    """Run PGD that fools both the model and a feature-squeezing detector (after He et al. 2017, arXiv 1706.04701).

    Until an image fools the model, its steps are those of `pgd`, so every image that fools it under `pgd` with the same
    parameters does so here too. From then on the steps increase the cross-entropy minus `weight` times the sum over the
    squeezers of the Kullback-Leibler divergence from the softmax of the image to that of the squeezed image. A
    squeezer's score is at most the square root of twice its divergence (Pinsker), and the divergence keeps a gradient
    where the two softmaxes are certain of different classes and the score has none. A squeezer without a gradient is
    the identity in the backward pass.
    The result is the iterate with the lowest detection score among those that fool the model. The score is the largest
    L1 distance over the squeezers (Xu et al. 2017). No threshold is needed. If no iterate fools the model, the last one
    is returned.

    model, images, labels, targets, epsilon, norm, steps, step_size, seed: as in `pgd`, also with E epsilons.
    squeezers: those of the detector, each with the `method` (or `python`) and `parameters` of a defense in the config.
    restarts: number of random starts of each image. No image leaves the batch early.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, there is
    no squeezer, or the model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    if steps < 1 or restarts < 1 or (step_size is not None and step_size <= 0):
        raise InvalidInput(f"steps {steps}, restarts {restarts}: at least 1; step_size {step_size}: above 0")
    if not 0 <= weight < np.inf:
        raise InvalidInput(f"weight: {weight} is negative or not finite")
    if not squeezers:
        raise InvalidInput("squeezers: the list is empty; name at least one")
    views = [Filtered(model, load_filter(squeezer), at=["test"]) for squeezer in squeezers]

    def attack(radius: float) -> Adversarial:
        search = _Search(model, views, images, labels, targets, weight)
        for restart in range(restarts):
            start = random_start(images, radius, norm, derived_seed(seed, restart))
            current = project(images + start, images, radius, norm)
            for _ in range(steps):
                direction = steepest(search.ascent_direction(current), norm)
                current = project(current + (step_size or 2.5 * radius / steps) * direction, images, radius, norm)
            search.keep_last(current)
        iterations = torch.full_like(labels, steps * restarts)
        return conclude(model, search.best, labels, targets, iterations, search.evaluations)

    # Not the images themselves, so that no result depends on the other images of a batch.
    tried = torch.rand((TRIED, *images.shape[1:]), generator=torch.Generator().manual_seed(0)).to(images)
    with ExitStack() as stack:
        for view in views:
            stack.enter_context(frozen(view))
            stack.enter_context(through_filter(view, "auto", tried))
        return at_each(epsilon, attack)


class _Search:
    """The best iterate so far of each image (`best`), its score (infinite: not fooled yet), and the backward passes."""

    def __init__(
        self,
        model: nn.Module,
        views: Sequence[nn.Module],
        images: Tensor,
        labels: Tensor,
        targets: Tensor | None,
        weight: float,
    ) -> None:
        self.model, self.views, self.labels, self.targets, self.weight = model, views, labels, targets, weight
        self.best = images.clone()
        self.score = images.new_full((len(images),), torch.inf, dtype=torch.float64)
        self.evaluations = torch.zeros_like(labels)
        with torch.no_grad():
            self.scale = clean_scale(model(images), labels, targets)

    def ascent_direction(self, current: Tensor) -> Tensor:
        """Record the iterates `current` and return the gradient of the objective, which is to increase."""
        inputs = current.detach().requires_grad_()
        logits, fooled, squeezed = self._record(inputs)
        loss = (
            cross_entropy(logits, self.labels, reduction="sum")
            if self.targets is None
            else -cross_entropy(logits, self.targets, reduction="sum")
        )
        if len(fooled):
            own = logits[fooled].log_softmax(1)
            for one in squeezed:
                loss = loss - self.weight * (own.exp() * (own - one.log_softmax(1))).sum()
        self.evaluations += 1
        self.evaluations[fooled] += len(self.views)
        return torch.autograd.grad(loss, inputs)[0]

    @torch.no_grad()
    def keep_last(self, current: Tensor) -> None:
        """Record the last iterates of a restart."""
        self._record(current)

    def _record(self, current: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return the logits, the indices of the fooled images, and the logits of each squeezer's view of these."""
        logits = self.model(current)
        fooled = is_clear_success(logits.detach(), self.labels, self.targets, self.scale).nonzero().squeeze(1)
        squeezed = [view(current[fooled]) for view in self.views] if len(fooled) else []
        waiting = self.score.isinf()
        self.best[waiting] = current.detach()[waiting]
        if len(fooled):
            score = squeezing_scores(logits.detach()[fooled], [one.detach() for one in squeezed]).amax(1)
            better = score < self.score[fooled]
            chosen = fooled[better]
            self.best[chosen], self.score[chosen] = current.detach()[chosen], score[better]
        return logits, fooled, squeezed
