"""One image, its perturbation and the sum of the two, with the victim's predictions (R2's figure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.errors import InvalidInput
from foolflow.figures.images import bare, show_image
from foolflow.figures.style import RIGHT, WRONG, heading, house_style
from foolflow.figures.text import class_name, columns, confidence

LONGEST = 20  # columns of a class name
SHORT = 12  # the title of the original then fits on one line


@dataclass(frozen=True)
class Shown:
    """An image with its prediction.

    pixels: float32 (C, H, W) in [0, 1].  prediction: a class name.  confidence: its softmax probability.
    """

    pixels: np.ndarray
    prediction: str
    confidence: float


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw one image. spec: title; cell; image, its index in the test split.

    Raises InvalidInput if the image was not attacked.
    """
    cell, image = spec["cell"], spec["image"]
    records, split = artefacts.records(cell), artefacts.split(cell)
    rows = np.flatnonzero(records["index"] == image)
    if len(rows) == 0:
        known = f"{len(records):,} images, {records['index'].min()} to {records['index'].max()}"
        raise InvalidInput(f"image {image} of the test split is not among those that were attacked ({known})")
    record, names = records.iloc[rows[0]], artefacts.class_names(cell)
    clean = split.images[image].astype(np.float32) / 255
    original = Shown(clean, names[record["clean_prediction"]], record["clean_confidence"])
    (pixels,) = artefacts.tensor(cell, "images", rows[:1])
    adversarial = Shown(pixels, names[record["prediction"]], record["confidence"])
    return draw(spec["title"], names[record["label"]], original, adversarial)


def draw(title: str, truth: str, original: Shown, adversarial: Shown) -> Figure:
    """Draw the figure. truth: the name of the true class."""
    perturbation = adversarial.pixels - original.pixels
    with house_style():
        figure = Figure(figsize=(8.4, 3.3), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        name = class_name(truth, LONGEST)
        separator = " " if columns(name) <= SHORT else "\n"
        _draw_image(left, original, f"original{separator}(true class: {name})", truth)
        _draw_perturbation(figure, middle, perturbation)
        _draw_image(right, adversarial, "adversarial", truth)
        heading(figure, title)
        return figure


def _draw_image(axes: Axes, shown: Shown, title: str, truth: str) -> None:
    show_image(axes, shown.pixels)
    axes.set(title=title, xlabel=f"{class_name(shown.prediction, LONGEST)}, confidence {confidence(shown.confidence)}")
    axes.xaxis.label.set_color(RIGHT if shown.prediction == truth else WRONG)


def _draw_perturbation(figure: Figure, axes: Axes, perturbation: np.ndarray) -> None:
    """Draw the perturbation and its norm.

    In grey images blue is darker and red is brighter. In colour images grey is no change and full colour the largest.
    """
    norm = float(np.linalg.norm(perturbation.astype(np.float64)))
    largest = float(np.abs(perturbation).max()) or 1.0
    if len(perturbation) == 1:
        image = axes.imshow(perturbation[0], cmap="RdBu_r", vmin=-largest, vmax=largest)
        figure.colorbar(image, ax=axes, shrink=0.8, label="change (pixels in [0, 1])")
    else:
        axes.imshow(0.5 + perturbation.transpose(1, 2, 0) / (2 * largest))
    bare(axes)
    axes.set(title="perturbation r", xlabel=f"||r||₂ = {norm:.3f}")
