"""Morphological opening: remove bright details that are narrower than the window."""

from torch import Tensor

from foolflow.defenses.whole import check_whole
from foolflow.defenses.windows import greatest, least


def opening(images: Tensor, *, size: int) -> Tensor:
    """Take the minimum, then the maximum over size x size squares, like scipy.ndimage.grey_opening.

    Images are mirrored beyond their border. The gradient goes to the pixels that supply the values.
    images: (N, C, H, W) in [0, 1].  size: in pixels, a whole number from 1.
    Raises InvalidInput if size is no such number.
    """
    check_whole("opening: size", size, least=1)
    return greatest(least(images, size), size)
