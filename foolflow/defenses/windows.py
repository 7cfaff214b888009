"""The minimum and the maximum over each pixel's neighbourhood, from which opening and closing are composed."""

from kornia.morphology import dilation, erosion
from torch import Tensor

from foolflow.defenses.borders import mirrored


def least(images: Tensor, size: int) -> Tensor:
    """Erode by a flat size x size square, like scipy.ndimage.grey_erosion; mirror images beyond their border.

    images: (N, C, H, W). Returns the same shape. The pixel is at the lower right of an even window's centre.
    """
    height, width = images.shape[-2:]
    before = size // 2
    eroded = erosion(mirrored(images, before, size - 1 - before), images.new_ones(size, size))
    return eroded[..., before : before + height, before : before + width]


def greatest(images: Tensor, size: int) -> Tensor:
    """Dilate in the same way as `least` erodes.

    The pixel is at the upper left of an even window's centre, to undo `least`'s shift.
    """
    height, width = images.shape[-2:]
    before = size - 1 - size // 2
    dilated = dilation(mirrored(images, before, size // 2), images.new_ones(size, size))
    return dilated[..., before : before + height, before : before + width]
