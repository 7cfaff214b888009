"""A sheet of attacked images, each titled `true → predicted (target)` (R1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.images import bare, show_image
from foolflow.figures.style import RIGHT, WIDTH, WRONG, heading, house_style, nothing_to_show
from foolflow.figures.text import class_name, columns
from foolflow.statistics.attempts import right_before

COLUMNS = 8
COUNT = 40
SHORT = 13  # columns of text; longer titles take three lines


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the first images that were classified correctly before the attack. spec: title; cell."""
    cell, names = spec["cell"], artefacts.class_names(spec["cell"])
    records = artefacts.records(cell)
    shown = records[right_before(records)].head(COUNT)
    if shown.empty:
        return nothing_to_show(spec["title"], "the victim classifies no image correctly")
    classes = zip(shown["label"], shown["prediction"], shown["target"], strict=True)
    titles = _titles([[class_name(names[number], SHORT - 2) for number in one] for one in classes])
    images = artefacts.tensor(cell, "images", shown.index.to_numpy())
    return draw(spec["title"], images, titles, list(shown["success"]))


def _titles(classes: Sequence[Sequence[str]]) -> list[str]:
    """Title each image. classes: for each image the names of the true class, the prediction and the target."""
    short = ["{} → {} ({})".format(*one) for one in classes]
    return short if max(map(columns, short)) <= SHORT else ["{} →\n{}\n({})".format(*one) for one in classes]


def draw(title: str, images: np.ndarray, titles: Sequence[str], success: Sequence[bool]) -> Figure:
    """Draw the sheet. Failed attacks have a red title.

    images: (N, C, H, W).  titles, success: one per image.
    """
    rows = -(-len(images) // COLUMNS)
    lines = max((1 + text.count("\n") for text in titles), default=1)
    with house_style():
        figure = Figure(figsize=(WIDTH, (1.05 + 0.13 * lines) * rows + 0.5), layout="constrained")
        places = figure.subplots(rows, COLUMNS, squeeze=False).flat
        for axes in places[len(images) :]:
            bare(axes)
        for axes, image, text, succeeded in zip(places, images, titles, success, strict=False):
            show_image(axes, image)
            axes.set_title(text, fontsize=8, color=RIGHT if succeeded else WRONG, pad=3)
        heading(figure, title)
        return figure
