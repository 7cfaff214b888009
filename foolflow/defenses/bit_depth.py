"""Feature squeezing by reducing the bit depth (Xu et al. 2017, arXiv 1704.01155, section III-A)."""

import torch
from torch import Tensor

from foolflow.defenses.whole import check_whole

MAX_BITS = 8  # bits per channel of the data sets


def bit_depth(images: Tensor, *, bits: int) -> Tensor:
    """Round each value to the nearest of 2^bits levels from 0 to 1. The gradient is 0 everywhere.

    images: (N, C, H, W) in [0, 1].  bits: a whole number, 1 to 8.
    Raises InvalidInput if bits is no such number.
    """
    check_whole("bit_depth: bits", bits, least=1, most=MAX_BITS)
    steps = 2**bits - 1
    return torch.round(images * steps) / steps
