"""Feature squeezing by reducing the bit depth (Xu et al. 2017, arXiv 1704.01155, section III-A)."""

import torch
from torch import Tensor

from foolflow.errors import InvalidInput

MAX_BITS = 8  # bits per channel of the data sets


def bit_depth(images: Tensor, *, bits: int) -> Tensor:
    """Round each value to the nearest of 2^bits levels from 0 to 1. The gradient is 0 everywhere.

    images: (N, C, H, W) in [0, 1].  bits: 1 to 8.
    Raises InvalidInput if bits is out of range.
    """
    if not 1 <= bits <= MAX_BITS:
        raise InvalidInput(f"bit_depth: bits must be from 1 to {MAX_BITS}, not {bits}")
    steps = 2**bits - 1
    return torch.round(images * steps) / steps
