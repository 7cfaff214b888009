"""Security curves: the accuracy of each network against the distance by which an adversary may change an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, house_style
from foolflow.statistics.minimal import SecurityCurve, distances, nearest, quantile, security_curve

LOOKS = tuple(product(("-", "--", ":"), COLOURS))


@dataclass(frozen=True)
class Curve:
    """One victim. median: median distance of the images that it classifies correctly.  images: number attacked."""

    dataset: str
    name: str
    curve: SecurityCurve
    median: float
    images: int


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw each victim's curve, with the smallest distance that any attack found for each image.

    spec: attacked, a list of cells.
    """
    found: dict[tuple, list[pd.Series]] = {}
    for cell in spec["attacked"]:
        victim = (cell["dataset"], cell["model"], cell["seed"])
        found.setdefault(victim, []).append(distances(artefacts.records(cell)))
    several_seeds = len({seed for _, _, seed in found}) > 1
    curves = []
    for (dataset, model, seed), each in found.items():
        smallest = nearest(each)
        name = f"{model} (seed {seed})" if several_seeds else model
        median = quantile(smallest[smallest > 0], 0.5)
        curves.append(Curve(dataset, name, security_curve(smallest), median, len(smallest)))
    return draw(curves)


def draw(curves: Sequence[Curve]) -> Figure:
    """Draw a panel per data set, with a curve per victim."""
    datasets = list(dict.fromkeys(curve.dataset for curve in curves))
    with house_style():
        figure = Figure(figsize=(7.6 if len(datasets) == 1 else 5.6 * len(datasets), 4.4), layout="constrained")
        panels = figure.subplots(1, len(datasets), squeeze=False, sharey=True)[0]
        for axes, dataset in zip(panels, datasets, strict=True):
            of_dataset = [curve for curve in curves if curve.dataset == dataset]
            _draw_panel(axes, of_dataset)
            axes.set_title(f"{dataset}, {of_dataset[0].images:,} test images", loc="left")
        panels[0].set_ylabel("robust accuracy (%)")
        return figure


def _draw_panel(axes: Axes, curves: Sequence[Curve]) -> None:
    end = max(1.02 * max(float(one.curve.distance[-1]) for one in curves), 0.1)
    for (line, colour), one in zip(cycle(LOOKS), curves, strict=False):
        distance = [*one.curve.distance, end]  # extend the last step to the end of the axis
        accuracy, low, high = (
            [100 * value for value in (*values, values[-1])]
            for values in (one.curve.accuracy, one.curve.low, one.curve.high)
        )
        axes.fill_between(distance, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
        median = "∞" if np.isinf(one.median) else f"{one.median:.2f}"
        axes.step(distance, accuracy, where="post", color=colour, linestyle=line, label=f"{one.name}: {median}")
    axes.set(xlabel="L2 distance of the adversary (pixels in [0, 1])", xlim=(0, end), ylim=(0, 101))
    axes.legend(title="network: median distance", loc="upper right")
