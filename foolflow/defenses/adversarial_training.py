"""Adversarial training: attack the training images before the network sees them."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from foolflow.errors import InvalidInput


def adversarial_training(
    logits_of: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    progress: float = 1.0,
    *,
    epsilon: float,
    steps: int = 1,
    step_size: float | None = None,
    random_start: bool | float = False,
    project: bool = True,
    share: float = 1.0,
    warm_up: float = 0.0,
) -> Tensor:
    """Attack the first images of a training batch within an L-infinity ball; leave the others unchanged.

    One step without a random start is FGSM adversarial training (Goodfellow et al. 2015, arXiv 1412.6572). One step
    with a random start is the method of Wong et al. (2020, arXiv 2001.03994). One step of epsilon from a start in twice
    the radius, without projection, is N-FGSM (de Jorge et al. 2022, arXiv 2202.01181). Several steps are PGD
    adversarial training (Madry et al. 2018, arXiv 1706.06083). The start and each step are clipped to [0, 1], as in the
    code of Wong et al. and of N-FGSM: what lies beyond would cost a saturated pixel part of its step.
    logits_of: the network in its current state, in eval mode and with frozen weights.
    images: float32 (N, C, H, W) in [0, 1], in random order.  labels: int64 (N,).
    generator: draws the random starts; on the same device as the images.
    progress: fraction of the training that is over, 0 to 1.
    epsilon: radius in pixel units, at most 1.  steps: 1 or more.
    step_size: in pixel units; by default epsilon for one step without a random start, 1.25 epsilon for one step with it
        (Wong et al.), and 2.5 epsilon / steps for several steps.
    random_start: radius of the cube from which the starts are drawn, as a multiple of epsilon; True is 1.
    project: whether each step ends inside the ball.
    share: fraction of the batch to attack, 0 to 1.
    warm_up: fraction of the training over which epsilon and step_size rise linearly from 0.
    Returns float32 (N, C, H, W) in [0, 1].
    Raises InvalidInput if a parameter is out of range.
    """
    _check_ranges(epsilon, steps, step_size, random_start, share, warm_up)
    attacked = round(share * len(images))
    if attacked == 0:  # of a small last batch
        return images
    clean, truth = images[:attacked], labels[:attacked]
    if step_size is None:
        step_size = (1.25 if random_start else 1.0) * epsilon if steps == 1 else 2.5 * epsilon / steps
    risen = min(1.0, progress / warm_up) if warm_up else 1.0
    epsilon, step_size = risen * epsilon, risen * step_size
    points = clean
    if random_start:
        radius = random_start * epsilon
        points = (clean + torch.empty_like(clean).uniform_(-radius, radius, generator=generator)).clamp(0, 1)
    for _ in range(steps):
        inputs = points.detach().requires_grad_()
        loss = cross_entropy(logits_of(inputs), truth, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, inputs)
        points = points + step_size * gradient.sign()
        if project:
            points = clean + (points - clean).clamp(-epsilon, epsilon)
        points = points.clamp(0, 1)
    return torch.cat([points, images[attacked:]])


def _check_ranges(
    epsilon: float, steps: int, step_size: float | None, random_start: bool | float, share: float, warm_up: float
) -> None:
    allowed = {
        f"epsilon: {epsilon} is not above 0 and at most 1": 0 < epsilon <= 1,
        f"steps: {steps} is not a whole number from 1": isinstance(steps, int) and steps >= 1,
        f"step_size: {step_size} is not above 0": step_size is None or step_size > 0,
        f"random_start: {random_start} is below 0": random_start >= 0,
        f"share: {share} is not from 0 to 1": 0 <= share <= 1,
        f"warm_up: {warm_up} is not from 0 to 1": 0 <= warm_up <= 1,
    }
    for problem, holds in allowed.items():
        if not holds:
            raise InvalidInput(f"adversarial_training: {problem}")
