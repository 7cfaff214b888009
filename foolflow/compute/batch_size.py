"""Choose how many images to process at once."""

from collections.abc import Sequence
from math import prod

VALUES_AT_ONCE = 500 * 3 * 32 * 32


def default_batch_size(largest: int, shape: Sequence[int]) -> int:
    """Return how many images of this shape (C, H, W) to process at once.

    It is `largest` for small images, and as many as hold VALUES_AT_ONCE values for large ones: the activations of a
    network grow with its images. For 3 x 224 x 224 it is 10.
    """
    return max(1, min(largest, VALUES_AT_ONCE // max(prod(shape), 1)))
