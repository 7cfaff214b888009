"""Feature squeezing with a median filter (Xu et al. 2017, arXiv 1704.01155; the defense of R3)."""

from kornia.filters import median_blur
from torch import Tensor

from foolflow.defenses.borders import mirrored
from foolflow.defenses.whole import check_whole


def median_filter(images: Tensor, *, size: int) -> Tensor:
    """Return the median of each pixel's size x size neighbourhood, like scipy.ndimage.median_filter.

    Images are mirrored beyond their border. The pixel is at the lower right of the centre of an even window, whose
    median is the upper of the two middle values. The gradient goes to the pixels that supply the medians.
    images: (N, C, H, W).  size: in pixels, a whole number from 1.
    Raises InvalidInput if size is no such number.
    """
    check_whole("median_filter: size", size, least=1)
    half = size // 2
    if size % 2:
        padded = mirrored(images, half, half)
        height, width = images.shape[-2:]
        return median_blur(padded, size)[..., half : half + height, half : half + width]
    padded = mirrored(images, half, half - 1)
    windows = padded.unfold(-2, size, 1).unfold(-2, size, 1).flatten(-2)
    return windows.sort(dim=-1).values[..., size * size // 2]
