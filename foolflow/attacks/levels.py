"""Adversarial images in 8 bits."""

import torch
from torch import Tensor

LEVELS = 255  # steps between the 256 levels
SLACK = 1e-3  # of a level: an epsilon of 8/255 includes the eighth level


def to_levels(points: Tensor, centres: Tensor, epsilon: float, norm: str) -> Tensor:
    """Round points of the ball, in [0, 1], to 8 bits without leaving it: to the nearest level, or towards the centre
    where that is outside.

    linf: each pixel on its own; l2: the whole image. If the centre is between two levels and the ball has neither, the
    pixel or the image stays as it is.
    """
    scaled = points * LEVELS
    nearest = scaled.round()
    if norm == "linf":
        lowest = ((centres - epsilon) * LEVELS - SLACK).ceil().clamp_min(0)
        highest = ((centres + epsilon) * LEVELS + SLACK).floor().clamp_max(LEVELS)
        inside = torch.minimum(torch.maximum(nearest, lowest), highest) / LEVELS
        return torch.where(lowest <= highest, inside, points)
    inwards = torch.where(points > centres, (scaled + SLACK).floor(), (scaled - SLACK).ceil()).clamp(0, LEVELS)
    found = points
    for levels in (inwards / LEVELS, nearest / LEVELS):
        lengths = (levels - centres).flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        found = torch.where(lengths <= epsilon + SLACK / LEVELS, levels, found)
    return found
