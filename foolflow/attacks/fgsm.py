"""Fast gradient sign method."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from foolflow.attacks.ball import steepest
from foolflow.attacks.base import Adversarial, at_each, check_choice, conclude
from foolflow.attacks.border import for_any_model
from foolflow.attacks.norms import NORMS


@for_any_model
def fgsm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    epsilon: float | Sequence[float],
    norm: str = "linf",
) -> Adversarial:
    """Take one step of length epsilon in the direction in which the cross-entropy rises fastest, clipped to [0, 1]
    (Goodfellow et al. 2015, arXiv 1412.6572, section 4). In `linf` this is the sign of the gradient.

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels, targets: int64 (N,). With targets, towards them.
    epsilon: length of the step in pixel units, or E of them, which share one gradient. With several, each field of the
        result has a leading dimension E.
    norm: `linf`, or `l2` for a step along the gradient itself (fast gradient method).
    Raises InvalidInput if images leave [0, 1], a label or target is not a class, an epsilon is negative, the norm is
    unknown, or the model's logits are not finite.
    """
    check_choice("norm", norm, NORMS)
    direction = steepest(_loss_gradient(model, images, labels, targets), norm)
    if targets is not None:
        direction = -direction
    once = torch.ones_like(labels)

    def step(length: float) -> Adversarial:
        return conclude(model, (length * direction).add_(images).clamp_(0, 1), labels, targets, once, once)

    return at_each(epsilon, step)


def _loss_gradient(model: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    inputs = images.detach().requires_grad_()
    logits = model(inputs)
    # A sum, not a mean: an image's gradient must not depend on the size of its batch.
    loss = cross_entropy(logits, labels if targets is None else targets, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, inputs)
    return gradient
