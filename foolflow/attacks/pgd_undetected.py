"""Projected gradient descent against a victim that detects adversarial images by feature squeezing."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.attacks.ball import project, random_start, steepest
from foolflow.attacks.base import (
    Adversarial,
    at_each,
    check_choice,
    clean_scale,
    conclude,
    is_clear_success,
    rival_logits,
)
from foolflow.attacks.border import for_any_model
from foolflow.attacks.levels import to_levels
from foolflow.attacks.norms import NORMS
from foolflow.compute.freezing import frozen
from foolflow.compute.seeds import derived_seed
from foolflow.defenses.filtered import Filtered, through_filter
from foolflow.defenses.loading import load_filter
from foolflow.defenses.squeezing import squeezing_scores
from foolflow.errors import InvalidInput

TRIED = 4  # images of noise, on which a squeezer has a gradient or not
CERTAIN = 5.0  # log-odds of 0.9933: if the network and a squeezed view both reach it, their score is at most 0.014
MOMENTUM = 0.75
REACH = 5  # radii that all steps together could go


@for_any_model
def pgd_undetected(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    epsilon: float | Sequence[float],
    squeezers: Sequence[Mapping[str, Any]],
    norm: str = "linf",
    steps: int = 100,
    step_size: float | None = None,
    classes: int = 1,
    restarts: int = 1,
    seed: int = 0,
) -> Adversarial:
    """Run PGD that fools both the model and a feature-squeezing detector, in 8 bits.

    The detector is part of the loss, as in Carlini and Wagner (2017, arXiv 1705.07263) and, for feature squeezing, in
    He et al. (2017, arXiv 1706.04701). The loss is as simple as the defense allows (Tramer et al. 2020, arXiv
    2002.08347): it aims at one wrong class, which the model is to see in the image and in each squeezed copy of it. If
    all of them are certain of the same class, the score is near 0. The steps increase the sum over these views of the
    log-odds of the class, each capped at CERTAIN, so that a view that is certain leaves the others alone. They use
    momentum (Dong et al. 2018, arXiv 1710.06081), and their size decreases linearly. A squeezer without a gradient is
    the identity in the backward pass.
    Each iterate is judged, and its gradient computed, after rounding to 8 bits within the ball. The result is the
    rounded iterate with the lowest detection score among those that fool the model. The score is the largest L1
    distance over the squeezers (Xu et al. 2017, arXiv 1704.01155). No threshold is needed. If no iterate fools the
    model, the last one is returned. An image that `pgd` fools may resist, because all views count from the first step.

    model, images, labels, targets, epsilon, norm, steps, seed: as in `pgd`, also with E epsilons.
    squeezers: those of the detector, each with the `method` (or `python`) and `parameters` of a defense in the config.
    step_size: of the first step, in pixel units (default: 10 epsilon / steps, at most epsilon).
    classes: number of wrong classes that each image is aimed at one after the other, the likeliest first. With targets,
        only the target.
    restarts: number of random starts of each image for each class. No image leaves the batch early.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, there is
    no squeezer, or the model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    if min(steps, classes, restarts) < 1 or (step_size is not None and step_size <= 0):
        counts = f"steps {steps}, classes {classes}, restarts {restarts}"
        raise InvalidInput(f"{counts}: at least 1; step_size {step_size}: above 0")
    if not squeezers:
        raise InvalidInput("squeezers: the list is empty; name at least one")
    views = [Filtered(model, load_filter(squeezer), at=["test"]) for squeezer in squeezers]
    with torch.no_grad():
        clean = model(images)
    scale = clean_scale(clean, labels, targets)
    likeliest = rival_logits(clean, labels).topk(min(classes, clean.shape[1] - 1)).indices.unbind(1)
    aims = list(likeliest) if targets is None else [targets]

    def attack(radius: float) -> Adversarial:
        first = step_size or min(2 * REACH / steps, 1) * radius
        best = _Best(images, labels, targets, scale)
        for start, aim in enumerate(aim for aim in aims for _ in range(restarts)):
            current = project(
                images + random_start(images, radius, norm, derived_seed(seed, start)), images, radius, norm
            )
            velocity = torch.zeros_like(images)
            for step in range(steps):
                inputs = to_levels(current, images, radius, norm).requires_grad_()
                logits = [view(inputs) for view in (model, *views)]
                best.offer(inputs.detach(), [one.detach() for one in logits])
                loss = torch.stack([log_odds(one, aim).clamp_max(CERTAIN) for one in logits]).sum()
                (gradient,) = torch.autograd.grad(loss, inputs)
                velocity = MOMENTUM * velocity + _normalised(gradient)
                size = first * (1 - step / steps)
                current = project(current + size * steepest(velocity, norm), images, radius, norm)
            with torch.no_grad():
                last = to_levels(current, images, radius, norm)
                best.offer(last, [view(last) for view in (model, *views)])
        passes = torch.full_like(labels, steps * restarts * len(aims))
        return conclude(model, best.images, labels, targets, passes, passes * (1 + len(views)))

    # Not the images themselves, so that no result depends on the other images of a batch.
    tried = torch.rand((TRIED, *images.shape[1:]), generator=torch.Generator().manual_seed(0)).to(images)
    with ExitStack() as stack:
        for view in views:
            stack.enter_context(frozen(view))
            stack.enter_context(through_filter(view, "auto", tried))
        return at_each(epsilon, attack)


def log_odds(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the logarithm of the odds of the given class of each image: (N,).

    logits: (N, K).  classes: int64 (N,).
    """
    return logits.gather(1, classes[:, None]).squeeze(1) - rival_logits(logits, classes).logsumexp(1)


def _normalised(gradient: Tensor) -> Tensor:
    """Return the gradient of each image with a mean absolute value of 1, or 0 where there is none."""
    size = gradient.flatten(1).abs().mean(1).view(-1, 1, 1, 1)
    return gradient / torch.where(size > 0, size, 1.0)


class _Best:
    """Of each image, the fooling iterate with the lowest score so far; before there is one, the last iterate."""

    def __init__(self, images: Tensor, labels: Tensor, targets: Tensor | None, scale: Tensor) -> None:
        """scale: the `clean_scale` of the images."""
        self.images, self.labels, self.targets, self.scale = images.clone(), labels, targets, scale
        self.score = images.new_full((len(images),), torch.inf, dtype=torch.float64)

    def offer(self, current: Tensor, logits: Sequence[Tensor]) -> None:
        """Keep the iterates that are better. logits: of the iterates, then of each squeezed view of them."""
        own, *squeezed = logits
        fooled = is_clear_success(own, self.labels, self.targets, self.scale)
        score = squeezing_scores(own, squeezed).amax(1)
        better = fooled & (score < self.score)
        self.score[better] = score[better]
        kept = better | self.score.isinf()
        self.images[kept] = current[kept]
