"""A sheet of attacked images, each titled `true → predicted (target)` (R1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.errors import InvalidInput
from foolflow.figures.images import bare, show_image
from foolflow.figures.style import RIGHT, WRONG, house_style

COLUMNS = 8
COUNT = 40
SHORT = 16  # characters; longer titles take two lines


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the first images that were classified correctly before the attack. spec: title; cell.

    Raises InvalidInput if there is none.
    """
    cell, names = spec["cell"], artefacts.class_names(spec["cell"])
    records = artefacts.records(cell)
    shown = records[records["clean_prediction"] == records["label"]].head(COUNT)
    if shown.empty:
        raise InvalidInput(f"{artefacts.adversarial(cell)}: the victim classifies no image correctly, so none is shown")
    classes = zip(shown["label"], shown["prediction"], shown["target"], strict=True)
    titles = [f"{names[label]} → {names[prediction]} ({names[target]})" for label, prediction, target in classes]
    images = artefacts.tensor(cell, "images", shown.index.to_numpy())
    return draw(spec["title"], images, titles, list(shown["success"]))


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
