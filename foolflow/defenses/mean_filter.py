"""Smoothing with the mean of a square window."""

from kornia.filters import box_blur
from torch import Tensor

from foolflow.defenses.borders import mirrored
from foolflow.defenses.bounds import bounded
from foolflow.defenses.whole import check_whole


def mean_filter(images: Tensor, *, size: int) -> Tensor:
    """Return the mean of each pixel's size x size neighbourhood, like scipy.ndimage.uniform_filter.

    Images are mirrored beyond their border. The pixel is at the lower right of the centre of an even window.
    images: (N, C, H, W) in [0, 1].  size: in pixels, a whole number from 1.
    Raises InvalidInput if size is no such number.
    """
    check_whole("mean_filter: size", size, least=1)
    height, width = images.shape[-2:]
    padded = mirrored(images, size // 2, (size - 1) // 2)
    first = (size - 1) // 2  # where kornia's output is the mean of the first complete window
    return bounded(box_blur(padded, size)[..., first : first + height, first : first + width])
