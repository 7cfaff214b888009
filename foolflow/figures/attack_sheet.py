"""A sheet of attacked images, each titled `true → predicted (target)` (R1)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from foolflow.figures.images import bare, show_image
from foolflow.figures.style import RIGHT, WRONG, house_style

COLUMNS = 8
SHORT = 16  # characters; longer titles take two lines


def draw(title: str, images: np.ndarray, titles: Sequence[str], success: Sequence[bool]) -> Figure:
    """Draw the sheet. Failed attacks have a red title.

    images: (N, C, H, W).  titles, success: one per image.
    """
    rows = -(-len(images) // COLUMNS)
    long = max(map(len, titles), default=0) > SHORT
    titles = [text.replace(" (", "\n(") for text in titles] if long else titles
    with house_style():
        figure = Figure(figsize=(1.3 * COLUMNS, 1.5 * rows + 0.5), layout="constrained")
        places = figure.subplots(rows, COLUMNS, squeeze=False).flat
        for axes in places[len(images) :]:
            bare(axes)
        for axes, image, text, succeeded in zip(places, images, titles, success, strict=False):
            show_image(axes, image)
            axes.set_title(text, fontsize=7 if long else 8, color=RIGHT if succeeded else WRONG, pad=3)
        figure.suptitle(title, fontsize=11)
        return figure
