"""Smoothing with a Gaussian window."""

import math

from kornia.filters import gaussian_blur2d
from torch import Tensor

from foolflow.defenses.borders import mirrored
from foolflow.defenses.bounds import bounded
from foolflow.defenses.whole import check_whole
from foolflow.errors import InvalidInput

TRUNCATE = 4.0  # radius of the window in standard deviations, SciPy's default


def gaussian_blur(images: Tensor, *, sigma: float, size: int | None = None) -> Tensor:
    """Convolve the images with a Gaussian, like scipy.ndimage.gaussian_filter.

    Images are mirrored beyond their border.
    images: (N, C, H, W) in [0, 1].  sigma: standard deviation in pixels, above 0.
    size: width of the window in pixels, an odd number; by default it extends 4 sigma to each side.
    Raises InvalidInput if sigma or size is out of range.
    """
    if not 0 < sigma < math.inf:
        raise InvalidInput(f"gaussian_blur: sigma must be above 0 and finite, not {sigma}")
    if size is not None:
        check_whole("gaussian_blur: size", size, least=1, odd=True)
    radius = int(TRUNCATE * sigma + 0.5) if size is None else size // 2
    height, width = images.shape[-2:]
    blurred = gaussian_blur2d(mirrored(images, radius, radius), 2 * radius + 1, (sigma, sigma))
    return bounded(blurred[..., radius : radius + height, radius : radius + width])
