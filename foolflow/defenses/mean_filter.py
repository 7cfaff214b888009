"""Smoothing with the mean of a square window."""

from kornia.filters import box_blur
from torch import Tensor

from foolflow.defenses.borders import mirrored
from foolflow.defenses.bounds import bounded
from foolflow.errors import InvalidInput


def mean_filter(images: Tensor, *, size: int) -> Tensor:
    """Return the mean of each pixel's size x size neighbourhood, like scipy.ndimage.uniform_filter.

    Images are mirrored beyond their border. The pixel is at the lower right of the centre of an even window.
    images: (N, C, H, W) in [0, 1].  size: in pixels, 1 or more.
    Raises InvalidInput if size is less than 1.
    """
    if size < 1:
        raise InvalidInput(f"mean_filter: size must be at least 1, not {size}")
    height, width = images.shape[-2:]
    padded = mirrored(images, size // 2, (size - 1) // 2)
    first = (size - 1) // 2  # where kornia's output is the mean of the first complete window
    return bounded(box_blur(padded, size)[..., first : first + height, first : first + width])
