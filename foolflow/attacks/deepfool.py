"""DeepFool."""

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, check_images, check_logits, conclude, frozen, is_clear_success
from foolflow.errors import InvalidInput

# Added to the distance to the boundary in each step, as in the authors' code: without it, images stop on a tie.
NUDGE = 1e-4


def deepfool(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int = 50,
    overshoot: float = 0.02,
    norm: str = "l2",
    classes: int = 10,
) -> Adversarial:
    """Steps to the nearest linearised decision boundary until the class changes
    (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599, algorithm 2; equation 11 for L-infinity).

    model: float32 images (N, C, H, W) in [0, 1] to logits (N, classes).
    images: float32 (N, C, H, W) in [0, 1].  labels: int64 (N,).
    steps: at most so many.  overshoot: the perturbation is made longer by this share.
    norm: `l2` or `linf`, what is to be small.  classes: how many of the classes that the model finds most
        likely are considered, its own among them.
    Images that the model gets wrong already come back unchanged. Finished images leave the batch.
    Raises InvalidInput if images leave [0, 1], a label is no class, a parameter is out of range, or the model's
    logits are not finite.
    """
    if norm not in ("l2", "linf"):
        raise InvalidInput(f"norm: {norm!r} is not l2 or linf")
    if steps < 0 or overshoot < 0 or classes < 2:
        raise InvalidInput(f"steps {steps}, overshoot {overshoot}: not negative; classes {classes}: at least 2")
    check_images(images, labels)
    adversarial = images.clone()
    iterations = torch.zeros_like(labels)
    with frozen(model):
        active = torch.arange(len(images), device=images.device)
        start, current, perturbation = images, images, torch.zeros_like(images)
        rivals = None
        for step in range(steps + 1):
            with torch.no_grad():
                logits = model(current)
            if step == 0:
                check_logits(logits, labels)
                rivals = _most_likely_others(logits, labels, classes - 1)
            assert rivals is not None
            standing = (~is_clear_success(logits, labels[active])).nonzero().squeeze(1)
            if step == steps or len(standing) == 0:
                break
            # Only the images that still stand go on: a forward pass to find them costs less than their K gradients.
            active, rivals, start, current, perturbation = (
                part[standing] for part in (active, rivals, start, current, perturbation)
            )
            perturbation = perturbation + _step(*_boundaries(model, current, labels[active], rivals), norm)
            current = (start + (1 + overshoot) * perturbation).clamp(0, 1)
            adversarial[active] = current
            iterations[active] += 1
        passes = iterations * (0 if rivals is None else rivals.shape[1])
        return conclude(model, adversarial, labels, None, iterations, passes)


def _most_likely_others(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """The `count` classes with the highest logits but for the label's: int64 (N, count)."""
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.topk(min(count, logits.shape[1] - 1), dim=1).indices


def _boundaries(model: nn.Module, images: Tensor, labels: Tensor, rivals: Tensor) -> tuple[Tensor, Tensor]:
    """How far each rival's logit is below the label's, (N, K), and the gradients of these gaps, (K, N, C, H, W)."""
    inputs = images.detach().requires_grad_()
    logits = model(inputs)
    gaps = logits.gather(1, rivals) - logits.gather(1, labels[:, None])
    gradients = [
        torch.autograd.grad(gaps[:, rank].sum(), inputs, retain_graph=rank + 1 < rivals.shape[1])[0]
        for rank in range(rivals.shape[1])
    ]
    return gaps.detach(), torch.stack(gradients)


def _step(gaps: Tensor, gradients: Tensor, norm: str) -> Tensor:
    """The shortest step over the nearest of the linearised boundaries: (N, C, H, W)."""
    flat = gradients.flatten(2)  # (K, N, pixels)
    lengths = flat.norm(dim=2).T if norm == "l2" else flat.abs().sum(2).T
    distances = gaps.abs() / lengths.clamp_min(1e-12)
    nearest = distances.argmin(1)
    rows = torch.arange(len(nearest), device=nearest.device)
    gradient = gradients[nearest, rows]
    length = lengths[rows, nearest].clamp_min(1e-12).view(-1, 1, 1, 1)
    distance = (gaps[rows, nearest].abs().view(-1, 1, 1, 1) + NUDGE) / length
    return distance * (gradient / length if norm == "l2" else gradient.sign())
