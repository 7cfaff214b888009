"""Eight images under attack: the original, the perturbation, and the adversarial image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from foolflow.attacks.standard import CONTROLS
from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import victim_name
from foolflow.figures.images import bare, show_image
from foolflow.figures.style import RIGHT, WIDTH, WRONG, heading, house_style
from foolflow.figures.text import COLUMNS_PER_INCH, class_name, confidence, shorten
from foolflow.statistics.budget import Budget, ball_in_words
from foolflow.statistics.examples import choose

SMALLEST, LARGEST = 0.95, 1.7  # width of a column in inches


@dataclass(frozen=True)
class Example:
    """One image under one attack.

    clean, adversarial: float (C, H, W) in [0, 1].  label, clean_prediction, prediction: class names.
    clean_confidence, confidence: softmax probabilities.  attack: its name.
    """

    clean: np.ndarray
    adversarial: np.ndarray
    label: str
    clean_prediction: str
    clean_confidence: float
    prediction: str
    confidence: float
    attack: str


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the figure of one victim. spec: as for the table, victim, and several_seeds, whether its seed is named."""
    victim, budget = spec["victim"], Budget(spec["norm"], spec["epsilon"])
    cells = {one["name"]: victim | {"attack": one["set"]} for one in spec["attacks"] if one["counts"]}
    cells = {name: cell for name, cell in cells.items() if name not in CONTROLS} or cells
    judged = artefacts.attacks(victim)
    records = {name: artefacts.records(cell) for name, cell in cells.items() if cell["attack"] in judged}
    split = artefacts.split(victim)
    shown = []
    for name, row in choose(records, budget):
        record, names = records[name].iloc[row], artefacts.class_names(cells[name])
        (adversarial,) = artefacts.tensor(cells[name], "images", [row])
        clean = split.images[record["index"]].astype(np.float32) / 255
        shown.append(example(record, clean, adversarial, names, name))
    ball = ball_in_words(spec["norm"], spec["epsilon"])
    name = victim_name(victim, several_seeds=spec["several_seeds"])
    return draw(f"{name} on {victim['dataset']}, attacked within {ball}", shown)


def example(
    record: pd.Series, clean: np.ndarray, adversarial: np.ndarray, names: Sequence[str], attack: str
) -> Example:
    """Describe one image. record: from `judge`.  names: of the victim's classes."""
    return Example(
        clean,
        adversarial,
        names[int(record["label"])],
        names[int(record["clean_prediction"])],
        float(record["clean_confidence"]),
        names[int(record["prediction"])],
        float(record["confidence"]),
        attack,
    )


def draw(title: str, shown: Sequence[Example]) -> Figure:
    """Draw a column for each image."""
    with house_style():
        columns = max(len(shown), 1)
        width = min(max((WIDTH - 0.5) / columns, SMALLEST), LARGEST)
        figure = Figure(figsize=(width * columns + 0.5, 3 * width + 1.7), layout="constrained")
        grid = figure.subplots(3, columns, squeeze=False)
        for axes in grid.flat:
            bare(axes)
        if not shown:
            grid[1][0].set_title("no image within the bound, or none classified correctly", fontsize=9)
        for column, one in enumerate(shown):
            _draw_column([line[column] for line in grid], one, int(COLUMNS_PER_INCH * width))
        for axes, label in zip(grid[:, 0], ("original", "perturbation", "adversarial"), strict=True):
            axes.set_ylabel(label, fontsize=10)
        heading(figure, title)
        return figure


def _draw_column(axes: Sequence[Any], one: Example, longest: int) -> None:
    original, middle, attacked = axes
    show_image(original, one.clean)
    _title(original, class_name(one.clean_prediction, longest), one.clean_confidence, one.clean_prediction == one.label)
    perturbation = one.adversarial.astype(np.float64) - one.clean
    largest = float(np.abs(perturbation).max())
    show_image(middle, np.clip(0.5 + perturbation / (2 * largest or 1), 0, 1))
    distances = f"L∞ {255 * largest:.3g}/255\nL2 {np.linalg.norm(perturbation):.3g}"
    middle.set_title(f"{shorten(one.attack, longest)}\n{distances}", fontsize=7.5, pad=3)
    show_image(attacked, one.adversarial)
    _title(attacked, class_name(one.prediction, longest), one.confidence, one.prediction == one.label)


def _title(axes: Any, prediction: str, share: float, right: bool) -> None:
    axes.set_title(f"{prediction}\n{confidence(share)}", fontsize=8, color=RIGHT if right else WRONG, pad=3)
