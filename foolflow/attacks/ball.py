"""Random starts, directions of steepest ascent, and projections for a norm ball."""

import torch
from torch import Tensor

TINY = 1e-12


def random_start(images: Tensor, epsilon: float, norm: str, seed: int) -> Tensor:
    """Draw a point of the ball, (1, C, H, W). linf: uniform in the ball; l2: random direction, uniform length."""
    generator = torch.Generator().manual_seed(seed)
    shape = (1, *images.shape[1:])
    if norm == "linf":
        start = (2 * torch.rand(shape, generator=generator) - 1) * epsilon
    else:
        direction = steepest(torch.randn(shape, generator=generator), norm)
        start = direction * epsilon * torch.rand(1, generator=generator)
    return start.to(images.device)


def steepest(gradient: Tensor, norm: str) -> Tensor:
    """Return the direction of steepest ascent in the norm: (N, C, H, W)."""
    if norm == "linf":
        return gradient.sign()
    largest = gradient.flatten(1).abs().amax(1).view(-1, 1, 1, 1)
    unit = gradient / torch.where(largest > 0, largest, 1.0)  # where the model is certain, squares would underflow
    return unit / unit.flatten(1).norm(dim=1).clamp_min(TINY).view(-1, 1, 1, 1)


def project(points: Tensor, centres: Tensor, epsilon: float, norm: str) -> Tensor:
    """Project into the ball around the centres, then into [0, 1], which does not leave the ball."""
    offset = points - centres
    if norm == "linf":
        offset.clamp_(-epsilon, epsilon)
    else:
        lengths = offset.flatten(1).norm(dim=1).clamp_min(TINY).view(-1, 1, 1, 1)
        offset *= (epsilon / lengths).clamp_max(1)
    return offset.add_(centres).clamp_(0, 1)
