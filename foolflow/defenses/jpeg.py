"""JPEG compression (as a defense: Dziugaite et al. 2016, arXiv 1608.00853)."""

import torch
from kornia.enhance import jpeg_codec_differentiable
from torch import Tensor

from foolflow.attacks.corruptions import Draw
from foolflow.attacks.corruptions import jpeg as recompressed
from foolflow.defenses.filtered import StraightThrough
from foolflow.defenses.whole import check_whole
from foolflow.errors import InvalidInput

NO_DRAW = Draw(seed=0)  # the codec draws no random numbers


def jpeg(images: Tensor, *, quality: int) -> Tensor:
    """Round the images to 8 bits, compress them with libjpeg and decompress them.

    Rounding has no gradient. The backward pass takes that of a differentiable codec instead (Reich et al. 2024,
    arXiv 2309.06978), which attacks follow further than the identity (`filter_gradient: straight_through`). Of a grey
    image, that codec codes three equal channels.
    images: (N, C, H, W) in [0, 1], C = 1 or 3.  quality: a whole number, 1 to 100, on the scale of Pillow and libjpeg.
    Raises InvalidInput if quality is no such number or the images have another number of channels.
    """
    check_whole("jpeg: quality", quality, least=1, most=100)
    if images.shape[1] not in (1, 3):
        raise InvalidInput(f"jpeg: images have {images.shape[1]} channels; 1 or 3 are needed")
    if len(images) == 0:  # kornia's codec rejects an empty batch
        return images
    coded = recompressed(images.detach(), quality, NO_DRAW).to(images)
    if not (images.requires_grad and torch.is_grad_enabled()):
        return coded
    return StraightThrough.apply(_differentiable(images, quality), coded)


def _differentiable(images: Tensor, quality: int) -> Tensor:
    """Approximate the codec by one with a soft rounding. It pads sizes that are not multiples of 16, as encoders do."""
    coded = jpeg_codec_differentiable(
        images.expand(-1, 3, -1, -1), torch.tensor([float(quality)], device=images.device)
    )
    return coded.mean(1, keepdim=True) if images.shape[1] == 1 else coded
