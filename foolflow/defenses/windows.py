"""The least and the greatest value of each pixel's neighbourhood, which opening and closing are made of."""

from kornia.morphology import dilation, erosion
from torch import Tensor

from foolflow.defenses.borders import mirrored


def least(images: Tensor, size: int) -> Tensor:
    """Grey erosion by a flat size x size square, as scipy.ndimage.grey_erosion has it, mirrored beyond the border.

    images: (N, C, H, W) to the same. An even window has the pixel at the lower right of its centre.
    """
    height, width = images.shape[-2:]
    before = size // 2
    eroded = erosion(mirrored(images, before, size - 1 - before), images.new_ones(size, size))
    return eroded[..., before : before + height, before : before + width]


def greatest(images: Tensor, size: int) -> Tensor:
    """Grey dilation, likewise; an even window has the pixel at the upper left, so that it undoes what `least` moved."""
    height, width = images.shape[-2:]
    before = size - 1 - size // 2
    dilated = dilation(mirrored(images, before, size // 2), images.new_ones(size, size))
    return dilated[..., before : before + height, before : before + width]
