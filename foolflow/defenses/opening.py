"""Morphological opening: remove bright details that are narrower than the window."""

from torch import Tensor

from foolflow.defenses.windows import greatest, least
from foolflow.errors import InvalidInput


def opening(images: Tensor, *, size: int) -> Tensor:
    """Take the minimum, then the maximum over size x size squares, like scipy.ndimage.grey_opening.

    Images are mirrored beyond their border. The gradient goes to the pixels that supply the values.
    images: (N, C, H, W) in [0, 1].  size: in pixels, 1 or more.
    Raises InvalidInput if size is less than 1.
    """
    if size < 1:
        raise InvalidInput(f"opening: size must be at least 1, not {size}")
    return greatest(least(images, size), size)
