"""One image in one axes."""

import numpy as np
from matplotlib.axes import Axes


def show_image(axes: Axes, image: np.ndarray) -> None:
    """image: uint8, or float in [0, 1], (C, H, W); one channel in grey."""
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255 if pixels.dtype == np.uint8 else 1)
    bare(axes)


def bare(axes: Axes) -> None:
    """Without ticks, grid and frame."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
