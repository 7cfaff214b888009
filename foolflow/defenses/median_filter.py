"""Feature squeezing by a median filter (Xu et al. 2017, arXiv 1704.01155; the defense of R3)."""

from kornia.filters import median_blur
from torch import Tensor

from foolflow.errors import InvalidInput


def median_filter(images: Tensor, *, size: int) -> Tensor:
    """The median of each pixel's size x size neighbourhood, mirrored at the image's border.

    images: (N, C, H, W).  size: odd, in pixels.
    Raises InvalidInput if size is not odd.
    """
    if size < 1 or size % 2 == 0:
        raise InvalidInput(f"median_filter: size {size} is not odd")
    return median_blur(images, size)
