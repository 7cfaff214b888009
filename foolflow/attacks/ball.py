"""The ball that an attack keeps within: where it starts, which way is steepest, and the way back in."""

import torch
from torch import Tensor

TINY = 1e-12


def random_start(images: Tensor, epsilon: float, norm: str, seed: int) -> Tensor:
    """A point of the ball, (1, C, H, W): uniform for linf; for l2 a random direction and a uniform length."""
    generator = torch.Generator().manual_seed(seed)
    shape = (1, *images.shape[1:])
    if norm == "linf":
        start = (2 * torch.rand(shape, generator=generator) - 1) * epsilon
    else:
        direction = steepest(torch.randn(shape, generator=generator), norm)
        start = direction * epsilon * torch.rand(1, generator=generator)
    return start.to(images.device)


def steepest(gradient: Tensor, norm: str) -> Tensor:
    """The direction of steepest ascent in the norm."""
    if norm == "linf":
        return gradient.sign()
    return gradient / gradient.flatten(1).norm(dim=1).clamp_min(TINY).view(-1, 1, 1, 1)


def project(points: Tensor, centres: Tensor, epsilon: float, norm: str) -> Tensor:
    """Into the ball around the centres, then into [0, 1]; the second does not leave the first."""
    offset = points - centres
    if norm == "linf":
        offset = offset.clamp(-epsilon, epsilon)
    else:
        lengths = offset.flatten(1).norm(dim=1).clamp_min(TINY).view(-1, 1, 1, 1)
        offset = offset * (epsilon / lengths).clamp_max(1)
    return (centres + offset).clamp(0, 1)
