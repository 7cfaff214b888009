"""The same images at every epsilon, with the victim's predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.images import show_image
from foolflow.figures.style import RIGHT, WIDTH, WRONG, heading, house_style, nothing_to_show
from foolflow.figures.text import COLUMNS_PER_INCH, class_name, columns, limited
from foolflow.statistics.attempts import right_before
from foolflow.statistics.budget import size_in_words

COLUMNS = 10
EPSILONS = 12
SMALLEST, LARGEST = 0.78, 1.4  # width of a column in inches


@dataclass(frozen=True)
class Row:
    """One row of images: float or uint8 (K, C, H, W).

    predictions, confidences (fractions; optional): one per image.
    """

    label: str
    images: np.ndarray
    predictions: list[str]
    confidences: list[float] | None = None


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the first correctly classified image of each class, clean and at every epsilon. spec: title; cell."""
    cell, split = spec["cell"], artefacts.split(spec["cell"])
    records = artefacts.records(cell)
    epsilons = sorted(records["epsilon"].unique())
    first = records[records["epsilon"] == epsilons[0]]
    right = first[right_before(first)]
    chosen = right.drop_duplicates("label").sort_values("label")["index"].head(COLUMNS).tolist()
    if not chosen:
        return nothing_to_show(spec["title"], "the victim classifies no image correctly")
    clean = first.set_index("index").loc[chosen]
    names = np.asarray(artefacts.class_names(cell))
    rows = [Row("clean", split.images[chosen], list(names[clean["clean_prediction"]]))]
    shown = [epsilons[place] for place in np.unique(np.linspace(0, len(epsilons) - 1, EPSILONS).round().astype(int))]
    for epsilon in shown:
        one = records[records["epsilon"] == epsilon].reset_index(names="row").set_index("index").loc[chosen]
        images = artefacts.tensor(cell, "images", one["row"])
        rows.append(Row(f"ε = {size_in_words(epsilon)}", images, list(names[one["prediction"]])))
    several = limited(len(shown), len(epsilons), "epsilons")
    classes = limited(len(chosen), len(names), "classes")
    return draw(f"{spec['title']}{classes}{several}", list(names[clean["label"]]), rows)


def draw(title: str, truth: list[str], rows: list[Row]) -> Figure:
    """Draw the grid. truth: the class name of each column.  rows: versions of the same K images."""
    with house_style():
        width = min(max((WIDTH - 0.5) / len(truth), SMALLEST), LARGEST)
        titles = [_titles(truth, row, int(COLUMNS_PER_INCH * width)) for row in rows]
        lines = sum(max(1 + text.count("\n") for text in line) for line in titles)
        height = (width + 0.1) * len(rows) + 0.13 * lines + 0.4
        figure = Figure(figsize=(width * len(truth) + 0.5, height), layout="constrained")
        grid = figure.subplots(len(rows), len(truth), squeeze=False)
        for row, line, texts in zip(rows, grid, titles, strict=True):
            for column, axes in enumerate(line):
                show_image(axes, row.images[column])
                colour = RIGHT if row.predictions[column] == truth[column] else WRONG
                axes.set_title(texts[column], fontsize=7.5, color=colour, pad=3)
            line[0].set_ylabel(row.label, fontsize=9)
        heading(figure, title)
        return figure


def _titles(truth: list[str], row: Row, longest: int) -> list[str]:
    """Title the images of a row, on one line if all fit. longest: columns of text above an image."""
    names = [f"{class_name(name, longest - 2)} →" for name in truth]
    others = [class_name(name, longest) for name in row.predictions]
    confidences = [""] * len(truth) if row.confidences is None else [f"{value:.0%}" for value in row.confidences]
    parts = list(zip(names, others, confidences, strict=True))
    texts = [f"{name} {other}{confidence and ', '}{confidence}" for name, other, confidence in parts]
    if max(map(columns, texts)) <= longest:
        return texts
    return ["\n".join(filter(None, part)) for part in parts]
