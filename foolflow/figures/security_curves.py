"""Security curves: the accuracy of each network against the distance by which an adversary may change an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import CONTROL, CONTROL_LOOK, GREY, LOOKS, house_style, panels
from foolflow.figures.text import limited, shorten, shorten_all
from foolflow.statistics.minimal import (
    NoiseCurve,
    SecurityCurve,
    distances,
    nearest,
    noise_curve,
    quantile,
    security_curve,
)

IN_PANEL = 5  # of more curves, the legend is below the panel
LONGEST = 24  # columns of the name of a network
AXIS = "L2 distance of the adversary (pixels in [0, 1])"
LEFT = "robust accuracy (%)"


@dataclass(frozen=True)
class Curve:
    """One victim.

    median: median distance of the images that it classifies correctly.  images: number attacked.
    noise: its accuracy under random noise, a control, or None.
    """

    dataset: str
    name: str
    curve: SecurityCurve
    median: float
    images: int
    noise: NoiseCurve | None = None


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw each victim's curve, with the smallest distance that any attack found for each image.

    spec: attacked, a list of cells; control, the name of the attack that is random noise, or None.
    """
    control = spec["control"]
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
        cell = {"dataset": dataset, "model": model, "defense": "none", "seed": seed, "attack": control}
        noise = None if control is None else noise_curve(artefacts.records(cell))
        curves.append(Curve(dataset, name, security_curve(smallest), median, len(smallest), noise))
    return draw(curves)


def draw(curves: Sequence[Curve], axis: str = AXIS, left: str = LEFT, share: float = 1.0) -> Figure:
    """Draw a panel per data set, with a curve per victim.

    axis: what the distance is.  left: what the curves are.
    share: the fraction of a panel's distances that its axis shows.
    """
    datasets = list(dict.fromkeys(curve.dataset for curve in curves))
    with house_style():
        by_dataset = {dataset: [curve for curve in curves if curve.dataset == dataset] for dataset in datasets}
        most = min(max(map(len, by_dataset.values())), len(LOOKS))
        noise = any(curve.noise for curve in curves)
        # The curves of the noise stay high, where the legend of a panel would cover them.
        below = most > IN_PANEL or noise
        legend = 0.2 * (most + noise) / (2 if len(datasets) == 1 else 1) + 0.4 if below else 0.0
        figure, each = panels(len(datasets), height=4.4 + legend, alone=7.6)
        for axes, (dataset, of_dataset) in zip(each, by_dataset.items(), strict=True):
            shown = of_dataset[: len(LOOKS)]
            _draw_panel(axes, shown, axis, share, below=below, columns=2 if len(datasets) == 1 else 1)
            part = limited(len(shown), len(of_dataset), "networks")
            axes.set_title(f"{shorten(dataset, LONGEST)}, {shown[0].images:,} test images{part}", loc="left")
        for axes in each[::2]:
            axes.set_ylabel(left)
        return figure


def _draw_panel(axes: Axes, curves: Sequence[Curve], axis: str, share: float, *, below: bool, columns: int) -> None:
    """Draw the curves, as many as there are LOOKS at most.

    below: whether the legend is below the panel.  columns: of such a legend.
    """
    noise_look = CONTROL_LOOK | {"color": GREY, "linewidth": 0.8}  # it shows what size alone does; no line needs a name
    every = np.concatenate([one.curve.distance for one in curves])
    end = max(1.02 * float(np.quantile(every, share)), 0.1)
    names = shorten_all([one.name for one in curves], LONGEST)
    for (line, colour), one, name in zip(LOOKS, curves, names, strict=False):
        distance = [
            *one.curve.distance,
            max(end, one.curve.distance[-1]),
        ]  # extend the last step to the end of the axis
        accuracy, low, high = (
            [100 * value for value in (*values, values[-1])]
            for values in (one.curve.accuracy, one.curve.low, one.curve.high)
        )
        axes.fill_between(distance, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
        median = "∞" if np.isinf(one.median) else f"{one.median:.2f}"
        axes.step(
            distance,
            accuracy,
            where="post",
            color=colour,
            linestyle=line,
            label=f"{name}: {median}",
        )
        if one.noise is not None:
            axes.plot(one.noise.distance, 100 * one.noise.accuracy, **noise_look, zorder=1)
    if any(one.noise for one in curves):
        axes.plot([], [], **noise_look, label=f"{CONTROL}, a line per network")
    axes.set(xlabel=axis, xlim=(0, end), ylim=(0, 101))
    title = "network: median"  # of what the axis shows
    if not below:
        axes.legend(title=title, loc="upper right")
    else:
        axes.legend(title=title, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=columns, fontsize=9)
