"""One image of each class, attacked towards every other class: rows are true classes, columns are targets (R1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from foolflow.data.artefacts import Artefacts
from foolflow.figures.images import show_image
from foolflow.figures.style import COLOURS, WRONG, heading, house_style, nothing_to_show
from foolflow.figures.text import class_name, columns, limited
from foolflow.statistics.attempts import right_before

CLASSES = 10
LONGEST = 14  # columns of a class name


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the first correctly classified image of each class. spec: title; cell, of an attack with `targets: all`."""
    cell, split = spec["cell"], artefacts.split(spec["cell"])
    records = artefacts.records(cell)
    right = records[right_before(records)]
    if right.empty:
        return nothing_to_show(spec["title"], "the victim classifies no image correctly")
    first = right.drop_duplicates("label")
    clean = {label: split.images[index] for label, index in zip(first["label"], first["index"], strict=True)}
    chosen = right[right["index"].isin(first["index"])]
    images = artefacts.tensor(cell, "images", chosen.index.to_numpy())
    places = zip(chosen["label"], chosen["target"], strict=True)
    attacked = dict(zip(places, zip(images, chosen["success"], strict=True), strict=True))
    return draw(spec["title"], artefacts.class_names(cell), clean, attacked)


def draw(
    title: str,
    class_names: Sequence[str],
    clean: Mapping[int, np.ndarray],
    attacked: Mapping[tuple[int, int], tuple[np.ndarray, bool]],
) -> Figure:
    """Draw the grid. The clean images are on its diagonal, in blue frames; failed attacks have red frames.

    Of more than CLASSES classes, only the first that have an image are shown.
    clean: an image (C, H, W) per class.  attacked: (image, whether the target was reached) per (class, target).
    """
    classes = list(range(len(class_names)))
    if len(classes) > CLASSES:
        classes = sorted(sorted(classes, key=lambda one: one not in clean)[:CLASSES])
    count = len(classes)
    part = limited(count, len(class_names), "classes")
    names = [class_name(class_names[label], LONGEST) for label in classes]
    with house_style():
        figure = Figure(figsize=(0.78 * count + 0.9, 0.78 * count + 1.0))
        grid = figure.subplots(
            count, count, squeeze=False, gridspec_kw={"wspace": 0.06, "hspace": 0.06}, subplot_kw={"aspect": "equal"}
        )
        for label, name, line in zip(classes, names, grid, strict=True):
            for target, axes in zip(classes, line, strict=True):
                if label == target and label in clean:
                    show_image(axes, clean[label])
                    _frame(axes, COLOURS[0])
                elif (label, target) in attacked:
                    image, success = attacked[label, target]
                    show_image(axes, image)
                    if not success:
                        _frame(axes, WRONG)
                else:
                    axes.set_axis_off()
            line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        long = max(map(columns, names)) > 3
        for axes, name in zip(grid[0], names, strict=True):
            axes.set_title(name, fontsize=9, pad=4, rotation=40 if long else 0, ha="left" if long else "center")
        above = figure.subplotpars.top + (0.95 if long else 0.25) / figure.get_figheight()  # clear of the names
        heading(figure, f"{title}\nrows: true class, columns: target{part}", y=above, va="bottom")
        return figure


def _frame(axes: Axes, colour: str) -> None:
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=colour, linewidth=2.5))
