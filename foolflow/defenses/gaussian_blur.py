"""Smoothing by a Gaussian window."""

import math

from kornia.filters import gaussian_blur2d
from torch import Tensor

from foolflow.defenses.borders import mirrored
from foolflow.defenses.bounds import bounded
from foolflow.errors import InvalidInput

REACH = 4.0  # standard deviations to the window's edge, SciPy's default


def gaussian_blur(images: Tensor, *, sigma: float, size: int | None = None) -> Tensor:
    """The images convolved with a Gaussian, as scipy.ndimage.gaussian_filter has it.

    Beyond the border the images are mirrored.
    images: (N, C, H, W) in [0, 1].  sigma: standard deviation in pixels, above 0.
    size: of the window in pixels, odd (default: it reaches 4 sigma to each side).
    Raises InvalidInput if sigma or size is none of these.
    """
    if not 0 < sigma < math.inf:
        raise InvalidInput(f"gaussian_blur: sigma {sigma} is not above 0 and finite")
    if size is not None and (size < 1 or size % 2 == 0):
        raise InvalidInput(f"gaussian_blur: size {size} is not odd and at least 1")
    radius = int(REACH * sigma + 0.5) if size is None else size // 2
    height, width = images.shape[-2:]
    blurred = gaussian_blur2d(mirrored(images, radius, radius), 2 * radius + 1, (sigma, sigma))
    return bounded(blurred[..., radius : radius + height, radius : radius + width])
