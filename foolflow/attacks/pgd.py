"""Projected gradient descent."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from foolflow.attacks.ball import project, random_start, steepest
from foolflow.attacks.base import Adversarial, at_each, check_choice, clean_scale, conclude, is_clear_success, margin
from foolflow.attacks.border import for_any_model
from foolflow.attacks.norms import NORMS
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput


@for_any_model
def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    epsilon: float | Sequence[float],
    norm: str = "linf",
    loss: str = "cross_entropy",
    steps: int = 40,
    step_size: float | None = None,
    restarts: int = 1,
    early_stop: bool = True,
    seed: int = 0,
) -> Adversarial:
    """Run steepest ascent on a loss within a ball, from random starts (Madry et al. 2018, arXiv 1706.06083).

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    epsilon: radius of the ball in pixel units, or E of them. With several, each field of the result has a leading
        dimension E.
    norm: `linf` or `l2`.
    loss: `cross_entropy` or `margin`. The margin is the lead of the strongest wrong class (or of the target), the loss
        f_6 of Carlini and Wagner (2017, arXiv 1608.04644). Its gradient does not vanish where the model is confident.
    steps: gradient steps from each start.  step_size: in pixel units (default: 2.5 epsilon / steps).
    restarts: number of random starts; each runs on the images that are not fooled yet.  seed: of the starts. All images
        start from the same point of the ball, so that no result depends on the batch.
    early_stop: an image leaves the batch as soon as it fools the model, so it may have barely crossed the boundary.
        Without it, every image takes all steps, and the last iterate that fools the model is returned, which lies
        farther beyond the boundary and transfers better to other models. Either way, the same images are fooled.
    For an image that never fools the model, the last iterate is returned.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    check_choice("loss", loss, ("cross_entropy", "margin"))
    if steps < 1 or restarts < 1 or (step_size is not None and step_size <= 0):
        raise InvalidInput(f"steps {steps}, restarts {restarts}: at least 1; step_size {step_size}: above 0")
    with torch.no_grad():
        scale = clean_scale(model(images), labels, targets)

    def attack(radius: float) -> Adversarial:
        size = step_size or 2.5 * radius / steps
        return _attack(
            model, images, labels, targets, scale, radius, norm, loss, steps, size, restarts, early_stop, seed
        )

    return at_each(epsilon, attack)


def _attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    scale: Tensor,
    epsilon: float,
    norm: str,
    loss: str,
    steps: int,
    step_size: float,
    restarts: int,
    early_stop: bool,
    seed: int,
) -> Adversarial:
    adversarial = images.clone()
    iterations, evaluations = torch.zeros_like(labels), torch.zeros_like(labels)
    standing = torch.arange(len(images), device=images.device)
    for restart in range(restarts):
        if len(standing) == 0:
            break
        start = random_start(images, epsilon, norm, derived_seed(seed, restart))
        clean, truth, goal = images[standing], labels[standing], None if targets is None else targets[standing]
        current = project(clean + start, clean, epsilon, norm)
        reached = torch.zeros_like(standing, dtype=torch.bool)
        # With an early stop, the last points are looked at for the next restart only.
        for step in range(steps + (restart + 1 < restarts or not early_stop)):
            gradient, logits = _ascent_direction(model, current, truth, goal, loss, needed=step < steps)
            fooled = is_clear_success(logits, truth, goal, scale)
            if not early_stop:
                adversarial[standing[fooled]] = current[fooled]
                reached |= fooled
            elif fooled.any():
                leaving = standing[fooled]
                adversarial[leaving] = current[fooled]
                iterations[leaving] += step
                evaluations[leaving] += step + int(gradient is not None)
                keep = (~fooled).nonzero().squeeze(1)
                standing, clean, truth, scale = standing[keep], clean[keep], truth[keep], scale[keep]
                reached = reached[keep]
                current, goal = current[keep], None if goal is None else goal[keep]
                gradient = None if gradient is None else gradient[keep]
                if len(standing) == 0:
                    break
            if gradient is not None:
                moved = current.add(steepest(gradient, norm), alpha=step_size)
                current = project(moved, clean, epsilon, norm)
        adversarial[standing[~reached]] = current[~reached]
        iterations[standing] += steps
        evaluations[standing] += steps
        standing, scale = standing[~reached], scale[~reached]
    return conclude(model, adversarial, labels, targets, iterations, evaluations)


def _ascent_direction(
    model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None, loss: str, *, needed: bool
) -> tuple[Tensor | None, Tensor]:
    """Return the gradient that increases the loss, or decreases that of the target (None if not needed), and logits."""
    if not needed:
        with torch.no_grad():
            return None, model(images)
    inputs = images.detach().requires_grad_()
    logits = model(inputs)
    chosen = labels if targets is None else targets
    total = margin(logits, chosen).sum() if loss == "margin" else cross_entropy(logits, chosen, reduction="sum")
    return torch.autograd.grad(total if targets is None else -total, inputs)[0], logits.detach()
