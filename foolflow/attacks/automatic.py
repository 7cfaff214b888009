"""Automatic: a loss that switches from the confidence to the length of the perturbation (R2, B)."""

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import repeat

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, conclude, is_clear_success, unless_lost
from foolflow.attacks.border import for_any_model
from foolflow.attacks.gaps import fading_noise, gap
from foolflow.attacks.shortest import TINY, Shortest, column, length
from foolflow.attacks.variants import with_defaults
from foolflow.compute.seeds import derived_seed
from foolflow.errors import InvalidInput

# The improved variant:
LAST_RATE = 0.03  # final learning rate as a fraction of the first
MEMORY, NOISY_MEMORY = 0.5, 0.8  # the weight of the previous steps in the averaged linear model


@for_any_model
def automatic(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    variant: str = "improved",
    steps: int | None = None,
    learning_rate: float | None = None,
    thresholds: tuple[float, float] = (0.2, 0.1),
    precision: float = 1e-3,
) -> Adversarial:
    """Find a short adversarial perturbation r by descent on a loss that switches (R2, B). L2.

    `published`, with conf the confidence in the true label (with targets: 1 minus that in the target) and
    thresholds a > b: the loss is conf where conf > a, conf + ||r|| where b < conf <= a, and ||r|| where conf <= b. R2
    does not name its optimiser; here it is Adam, started at r = 0.

    `improved` switches at the decision boundary instead: an image that does not fool the model descends on the gap
    between the logits, one that does on ||r||. Gradients are normalised to length 1; the learning rate, a fraction of
    the first linearised distance to the boundary, falls along a cosine. The gap and its gradient come from a linear
    model averaged over the last steps. Half of the steps follow the gradients of the images, the other half those of
    images with noise, which fades (see `fading_noise`). Finally, the line to the clean image is bisected. Both variants
    return the shortest adversarial perturbation that they come across.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    steps: maximum number of gradient evaluations (`improved` 100, `published` 1,000).
    learning_rate: see above (`improved` 1; `published`, of Adam, 0.005).
    precision: of the final bisection, as a fraction of the length (`improved`).
    Misclassified images are returned unchanged, and so are images for which no adversarial image is found.
    `details` of the result: `norms` (N,) of the perturbations.
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, a parameter is out of range, or the
    model's logits are not finite.
    """
    steps, rate = with_defaults(variant, steps, learning_rate)
    if steps < 1 or not rate > 0 or not 0 < precision < 1:
        raise InvalidInput(
            f"steps {steps}: at least 1; learning_rate {rate}: above 0; precision {precision}: between 0 and 1"
        )
    if not 0 < thresholds[1] <= thresholds[0] < 1:
        raise InvalidInput(f"thresholds {thresholds}: both must be between 0 and 1, the first not below the second")
    with torch.no_grad():
        logits = model(images)
    shortest = Shortest(images, logits, labels, targets, "l2")
    rows = (~is_clear_success(logits, labels, targets, shortest.scale)).nonzero().squeeze(1)
    if variant == "published":
        _descend_on_confidence(model, shortest, rows, steps, rate, thresholds)
    else:
        half = steps // 2
        plain = repeat(torch.zeros(1, 1, 1, 1), steps - half)
        noisy = fading_noise(half, images.shape[1:], derived_seed("automatic"))
        _descend_on_gap(model, shortest, rows, plain, steps - half, rate, MEMORY)
        _descend_on_gap(model, shortest, rows, noisy, half, rate, NOISY_MEMORY)
        rescued = rows[~shortest.found[rows]]
        shortest.start_from_fixed_images(model, rescued, precision)
        shortest.shorten(model, rows, 0.0, precision)
    iterations = torch.zeros_like(labels)
    iterations[rows] = steps
    made = conclude(model, shortest.images, labels, targets, iterations, iterations)
    return replace(made, details={"norms": unless_lost(length(shortest.images - images, "l2"), made)})


def _descend_on_confidence(
    model: nn.Module,
    shortest: Shortest,
    rows: Tensor,
    steps: int,
    rate: float,
    thresholds: tuple[float, float],
) -> None:
    clean = shortest.clean[rows]
    labels, targets = shortest.goal(rows)
    r = torch.zeros_like(clean).requires_grad_()
    optimizer = torch.optim.Adam([r], rate)
    for _ in range(steps):
        tried = (clean + r).clamp(0, 1)
        logits = model(tried)
        shares = logits.softmax(1)
        confidence = (
            shares.gather(1, labels[:, None]) if targets is None else 1 - shares.gather(1, targets[:, None])
        ).squeeze(1)
        (gradient,) = torch.autograd.grad(confidence.sum(), r)
        shortest.remember(rows, tried.detach(), logits.detach())
        above, below = confidence.detach() > thresholds[0], confidence.detach() <= thresholds[1]
        outward = r.detach() / column(length(r.detach(), "l2").clamp_min(TINY))
        r.grad = column((~below).float()) * gradient + column((~above).float()) * outward
        optimizer.step()


def _descend_on_gap(
    model: nn.Module, shortest: Shortest, rows: Tensor, noises: Iterable[Tensor], steps: int, rate: float, memory: float
) -> None:
    """Descend on the gap where the averaged linear model says that it is open, and else on the length.

    noises: (1, C, H, W) for each of the steps, added to the images that the gradients are of.
    memory: the weight of the previous steps in the averaged linear model, gradients . p = rises where the gap closes.
    """
    clean = shortest.clean[rows]
    labels, targets = shortest.goal(rows)
    r = torch.zeros_like(clean)
    for step, noise in enumerate(noises):
        tried = (clean + r + noise.to(clean.device)).clamp(0, 1)
        gaps, now, logits = gap(model, tried, labels, targets, shortest.scale[rows])
        shortest.remember(rows, tried, logits)
        rises_now = (now * (tried - clean)).flatten(1).sum(1) - gaps
        if step == 0:
            gradients, rises = now, rises_now
            farthest = math.sqrt(clean[0].numel()) if len(rows) else 1.0
            stride = rate * (-gaps / length(now, "l2").clamp_min(TINY)).clamp(TINY, farthest)
        else:
            weight = 1 - min(memory, step / (step + 1))
            gradients, rises = gradients.lerp(now, weight), rises.lerp(rises_now, weight)
        fooled = (gradients * r).flatten(1).sum(1) > rises
        inward = -r / column(length(r, "l2").clamp_min(TINY))
        direction = torch.where(column(fooled), inward, gradients / column(length(gradients, "l2").clamp_min(TINY)))
        share = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * step / steps)) / 2
        r = (clean + r + share * column(stride) * direction).clamp(0, 1) - clean
