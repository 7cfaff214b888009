"""ROC curves of the detectors: the share of each attack's images that is detected, against that of clean images."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, heading, house_style, panels
from foolflow.figures.text import limited, shorten_all
from foolflow.statistics.detection import RocCurve, roc, threshold_at
from foolflow.statistics.scored import Detector, load_detectors

PANELS = 12
LONGEST = 28  # columns of the name of an attack
SOLID = tuple(product(("-", "-."), COLOURS[:-1]))  # black and dashed: attacks that know the detector
LEFT_END = 0.1  # false positives in percent at the left end of the axis, where a detector is of practical use


@dataclass(frozen=True)
class Curve:
    """One attack. adaptive: whether it knows the detector."""

    attack: str
    curve: RocCurve
    adaptive: bool


@dataclass(frozen=True)
class Panel:
    """One detector on one victim. false_positives: their share among clean test images, at the detector's threshold."""

    title: str
    false_positives: float
    curves: Sequence[Curve]


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the curves of all detectors. spec: false_positives; detectors, in the order of the input `scores`."""
    detectors = load_detectors(spec["detectors"], artefacts.files["scores"])
    several_seeds = len({one.seed for one in detectors}) > 1
    found = []
    for one in detectors:
        seed = f", seed {one.seed}" if several_seeds else ""
        threshold = threshold_at(one.scores_of("val"), spec["false_positives"])
        found.append(
            Panel(
                title=f"{one.detector} on {one.dataset}, {one.model}{seed}",
                false_positives=float((one.scores_of("test") > threshold).mean()),
                curves=list(_curves(one)),
            )
        )
    return draw(found)


def _curves(one: Detector) -> Iterator[Curve]:
    """Yield a curve for each attack that fooled the victim at least once."""
    clean = one.scores_of("test")
    for scored in one.attacked:
        found = scored.records.loc[scored.records["success_8bit"].astype(bool), "score"].to_numpy()
        if len(found):
            yield Curve(scored.attack, roc(clean, found), scored.adaptive)


def draw(detectors: Sequence[Panel]) -> Figure:
    """Draw a panel per detector and victim, with a curve per attack."""
    with house_style():
        shown = detectors[:PANELS]
        columns = 2 if len(shown) == 1 else 1
        legend = 0.2 * max(len(one.curves) for one in shown) / columns + 0.6
        figure, each = panels(len(shown), height=4.2 + legend, alone=6.4)
        for axes, one in zip(each, shown, strict=True):
            _draw_panel(axes, one, columns)
        for axes in each[::2]:
            axes.set_ylabel("successful adversarial images detected (%)")
        if len(shown) < len(detectors):
            heading(figure, f"ROC curves{limited(len(shown), len(detectors), 'detectors')}")
        return figure


def _draw_panel(axes: Axes, panel: Panel, columns: int) -> None:
    """Draw a detector. columns: of the legend."""
    chance = np.geomspace(LEFT_END, 100, 100)
    axes.plot(chance, chance, color=GREY, linewidth=1, linestyle=":", label="chance: 50.0")
    looks = cycle(SOLID)
    names = shorten_all([one.attack for one in panel.curves], LONGEST)
    for one, name in zip(panel.curves, names, strict=True):
        line, colour = ("--", "black") if one.adaptive else next(looks)
        false_positives = np.maximum(100 * one.curve.false_positives, LEFT_END / 10)
        label = f"{name}: {100 * one.curve.area:.1f}"
        axes.step(
            false_positives,
            100 * one.curve.detected,
            where="post",
            linewidth=1.8,
            label=label,
            color=colour,
            linestyle=line,
        )
    axes.axvline(100 * panel.false_positives, color=GREY, linewidth=1)
    axes.annotate(
        f"threshold: {100 * panel.false_positives:.1f} %",
        (100 * panel.false_positives, 101),
        xytext=(3, 0),
        textcoords="offset points",
        color=GREY,
        fontsize=8,
        annotation_clip=False,  # it is above the axes
    )
    axes.set(xscale="log", xlim=(LEFT_END, 100), ylim=(0, 100.5), xlabel="clean test images flagged as adversarial (%)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    title = textwrap.fill(panel.title, 44 if columns == 1 else 64)
    axes.set_title(title, loc="left", pad=18, fontsize=10 if columns == 1 else None)
    axes.legend(
        title="attack: AUC (%); dashed: knows the detector",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=columns,
    )
