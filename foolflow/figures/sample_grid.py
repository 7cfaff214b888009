"""The same images at every epsilon, with the victim's predictions."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from foolflow.figures.images import show_image
from foolflow.figures.style import RIGHT, WRONG, house_style


@dataclass(frozen=True)
class Row:
    """One row of images: float or uint8 (K, C, H, W).

    predictions, confidences (fractions; optional): one per image.
    """

    label: str
    images: np.ndarray
    predictions: list[str]
    confidences: list[float] | None = None


def draw(title: str, truth: list[str], rows: list[Row]) -> Figure:
    """Draw the grid. truth: the class name of each column.  rows: versions of the same K images."""
    with house_style():
        figure = Figure(figsize=(1.4 * len(truth) + 0.8, 1.45 * len(rows) + 0.5), layout="constrained")
        grid = figure.subplots(len(rows), len(truth), squeeze=False)
        for row, line in zip(rows, grid, strict=True):
            for column, axes in enumerate(line):
                show_image(axes, row.images[column])
                name, prediction = truth[column], row.predictions[column]
                colour = RIGHT if prediction == name else WRONG
                confidence = "" if row.confidences is None else f", {row.confidences[column]:.0%}"
                axes.set_title(f"{name} → {prediction}{confidence}", fontsize=7, color=colour, pad=3)
            line[0].set_ylabel(row.label, fontsize=9)
        figure.suptitle(title, fontsize=11)
        return figure
