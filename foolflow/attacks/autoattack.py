"""An ensemble of the strongest attacks, each on the images that the ones before did not fool."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, as_epsilons, check_images, check_logits
from foolflow.attacks.peers.autoattack import make
from foolflow.attacks.peers.running import run_peer
from foolflow.attacks.pgd import pgd
from foolflow.compute.freezing import frozen
from foolflow.errors import InvalidInput

Part = Callable[[nn.Module, Tensor, Tensor], Adversarial]


def autoattack(
    model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float, norm: str = "linf", steps: int = 40
) -> Adversarial:
    """Run PGD on two losses, then the standard AutoAttack on what is left (Croce and Hein 2020, arXiv 2003.01690).

    PGD fools what is easy at a fraction of the cost. AutoAttack, from the package pyautoattack, then runs APGD on the
    cross-entropy, targeted APGD, targeted FAB and Square. An image leaves as soon as it is fooled.
    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes). If it has no gradient, only Square runs. With
        two or three classes, targeted APGD is left out, because its loss needs four.
    images: float32 (N, C, H, W) in [0, 1].  labels: int64 (N,).
    epsilon: radius in pixel units.  norm: `linf` or `l2`.  steps: of PGD.
    AutoAttack's random numbers depend on the images of the batch that PGD left.
    Raises InvalidInput if images leave [0, 1], a label is not a class, a parameter is out of range, the model's logits
    are not finite, or pyautoattack fails.
    """
    if norm not in ("linf", "l2"):
        raise InvalidInput(f"norm: {norm!r} is not linf or l2")
    as_epsilons(epsilon)
    check_images(images, labels)
    ball = {"epsilon": epsilon, "norm": {"linf": "Linf", "l2": "L2"}[norm]}
    with frozen(model):
        with torch.no_grad():
            check_logits(model(images[:1]), labels[:1])
        if has_gradient(model, images[:1]):
            ours = [
                partial(pgd, epsilon=epsilon, norm=norm, loss=loss, steps=steps) for loss in ("margin", "cross_entropy")
            ]
            return _one_after_another(
                [*ours, partial(run_peer, make("standard", ball), "autoattack")], model, images, labels
            )
        square = make("custom", ball | {"attacks": ["square"]})
        return _one_after_another([partial(run_peer, square, "autoattack")], model, images, labels)


def has_gradient(model: nn.Module, images: Tensor) -> bool:
    """Return whether the model's logits for these images can be differentiated."""
    inputs = images.detach().requires_grad_()
    try:
        torch.autograd.grad(model(inputs).sum(), inputs)
    except (InvalidInput, RuntimeError):  # a model that refuses, or logits without a graph
        return False
    return True


def _one_after_another(parts: list[Part], model: nn.Module, images: Tensor, labels: Tensor) -> Adversarial:
    """Run each part on the images that are not fooled yet. An image that withstands all of them has the last result."""
    made, evaluations = images.clone(), torch.zeros_like(labels)
    success = torch.zeros_like(labels, dtype=torch.bool)
    predictions = labels.clone()
    for part in parts:
        rows = (~success).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        found = part(model, images[rows], labels[rows])
        made[rows], success[rows], predictions[rows] = found.images, found.success, found.predictions
        evaluations[rows] += found.gradient_evaluations
    return Adversarial(made, predictions, success, evaluations, evaluations)
