"""Extend images beyond their border by mirroring, as SciPy's filters do by default."""

import torch
from torch import Tensor


def mirrored(images: Tensor, before: int, after: int) -> Tensor:
    """Pad (..., H, W) to (..., before + H + after, before + W + after): d c b a | a b c d | d c b a."""
    for axis in (-2, -1):
        size = images.shape[axis]
        places = torch.arange(-before, size + after, device=images.device) % (2 * size)
        images = images.index_select(axis, torch.minimum(places, 2 * size - 1 - places))
    return images
