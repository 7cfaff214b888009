"""Smoothing by the mean of a square window."""

from kornia.filters import box_blur
from torch import Tensor

from foolflow.defenses.borders import mirrored
from foolflow.defenses.bounds import bounded
from foolflow.errors import InvalidInput


def mean_filter(images: Tensor, *, size: int) -> Tensor:
    """The mean of each pixel's size x size neighbourhood, as scipy.ndimage.uniform_filter has it.

    Beyond the border the images are mirrored. An even window has the pixel at the lower right of its centre.
    images: (N, C, H, W) in [0, 1].  size: in pixels, 1 or more.
    Raises InvalidInput if size is less than 1.
    """
    if size < 1:
        raise InvalidInput(f"mean_filter: size {size} is not at least 1")
    height, width = images.shape[-2:]
    padded = mirrored(images, size // 2, (size - 1) // 2)
    first = (size - 1) // 2  # kornia's output there is the mean of the first whole window
    return bounded(box_blur(padded, size)[..., first : first + height, first : first + width])
