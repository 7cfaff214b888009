"""Feature squeezing by fewer bits a channel (Xu et al. 2017, arXiv 1704.01155, section III-A)."""

import torch
from torch import Tensor

from foolflow.errors import InvalidInput

MOST = 8  # bits a channel that the data sets have


def bit_depth(images: Tensor, *, bits: int) -> Tensor:
    """Each value rounded to the nearest of 2^bits levels from 0 to 1, with a gradient of 0 all over.

    images: (N, C, H, W) in [0, 1].  bits: 1 to 8.
    Raises InvalidInput if bits is not within these.
    """
    if not 1 <= bits <= MOST:
        raise InvalidInput(f"bit_depth: bits {bits} is not from 1 to {MOST}")
    steps = 2**bits - 1
    return torch.round(images * steps) / steps
