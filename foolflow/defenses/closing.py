"""Morphological closing: what is dark and narrower than the window vanishes."""

from torch import Tensor

from foolflow.defenses.windows import greatest, least
from foolflow.errors import InvalidInput


def closing(images: Tensor, *, size: int) -> Tensor:
    """The greatest, then least value of size x size squares, as scipy.ndimage.grey_closing has it.

    Beyond the border the images are mirrored. The gradient goes to the pixels that the values are from.
    images: (N, C, H, W) in [0, 1].  size: in pixels, 1 or more.
    Raises InvalidInput if size is less than 1.
    """
    if size < 1:
        raise InvalidInput(f"closing: size {size} is not at least 1")
    return least(greatest(images, size), size)
