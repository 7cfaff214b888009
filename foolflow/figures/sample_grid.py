"""The same images at every epsilon, with the victim's predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.errors import InvalidInput
from foolflow.figures.images import show_image
from foolflow.figures.style import RIGHT, WRONG, house_style

COLUMNS = 10
NO_EPSILON = -1.0  # replaces NaN, for an attack without epsilon


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
    """Draw the first correctly classified image of each class, clean and at every epsilon. spec: title; cell.

    Raises InvalidInput if there is none.
    """
    cell, split = spec["cell"], artefacts.split(spec["cell"])
    records = artefacts.records(cell).fillna({"epsilon": NO_EPSILON})
    epsilons = sorted(records["epsilon"].unique())
    first = records[records["epsilon"] == epsilons[0]]
    right = first[first["clean_prediction"] == first["label"]]
    chosen = right.drop_duplicates("label").sort_values("label")["index"].head(COLUMNS).tolist()
    if not chosen:
        raise InvalidInput(f"{artefacts.adversarial(cell)}: the victim classifies no image correctly, so none is shown")
    clean = first.set_index("index").loc[chosen]
    names = np.asarray(artefacts.class_names(cell))
    rows = [Row("clean", split.images[chosen], list(names[clean["clean_prediction"]]))]
    for epsilon in epsilons:
        one = records[records["epsilon"] == epsilon].reset_index(names="row").set_index("index").loc[chosen]
        label = "attacked" if epsilon == NO_EPSILON else f"ε = {epsilon:.3g}"
        images = artefacts.tensor(cell, "images", one["row"])
        rows.append(Row(label, images, list(names[one["prediction"]])))
    return draw(spec["title"], list(names[clean["label"]]), rows)


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
