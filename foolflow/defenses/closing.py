"""Morphological closing: remove dark details that are narrower than the window."""

from torch import Tensor

from foolflow.defenses.windows import greatest, least
from foolflow.errors import InvalidInput


def closing(images: Tensor, *, size: int) -> Tensor:
    """Take the maximum, then the minimum over size x size squares, like scipy.ndimage.grey_closing.

    Images are mirrored beyond their border. The gradient goes to the pixels that supply the values.
    images: (N, C, H, W) in [0, 1].  size: in pixels, 1 or more.
    Raises InvalidInput if size is less than 1.
    """
    if size < 1:
        raise InvalidInput(f"closing: size must be at least 1, not {size}")
    return least(greatest(images, size), size)
