"""Draw one image into one axes."""

import numpy as np
from matplotlib.axes import Axes


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Draw an image, (C, H, W), uint8 or float in [0, 1]. A single channel is drawn in grey."""
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255 if pixels.dtype == np.uint8 else 1)
    bare(axes)


def bare(axes: Axes) -> None:
    """Remove the ticks, the grid and the frame."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
