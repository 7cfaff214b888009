"""JPEG compression (as a defense: Dziugaite et al. 2016, arXiv 1608.00853)."""

import torch
from kornia.enhance import jpeg_codec_differentiable
from torch import Tensor

from foolflow.defenses.bounds import bounded
from foolflow.errors import InvalidInput


def jpeg(images: Tensor, *, quality: int) -> Tensor:
    """Compress and decompress the images, with a gradient (Reich et al. 2024, arXiv 2309.06978).

    The gradient comes from a soft rounding, which is off by up to an eighth of a quantisation step. Grey images are
    coded as three equal channels. Sizes that are not multiples of 16 are padded, as encoders do, and cropped.
    images: (N, C, H, W) in [0, 1], C = 1 or 3.  quality: 1 to 100, on the scale of Pillow and libjpeg.
    Raises InvalidInput if quality is out of range or the images have another number of channels.
    """
    if not 1 <= quality <= 100:
        raise InvalidInput(f"jpeg: quality must be from 1 to 100, not {quality}")
    channels = images.shape[1]
    if channels not in (1, 3):
        raise InvalidInput(f"jpeg: images have {channels} channels; 1 or 3 are needed")
    coloured = images.expand(-1, 3, -1, -1)
    coded = jpeg_codec_differentiable(coloured, torch.tensor([float(quality)], device=images.device))
    return bounded(coded.mean(1, keepdim=True) if channels == 1 else coded)
