"""ROC curves of the detectors: the share of each attack's images that is detected, against that of clean images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, house_style
from foolflow.statistics.detection import RocCurve, area_under, roc, threshold_at
from foolflow.statistics.scored import Detector, load_detectors

LEFT_END = 0.1  # false positives in percent at the left end of the axis, where a detector is of practical use


@dataclass(frozen=True)
class Curve:
    """One attack. area: under the curve.  adaptive: whether the attack knows the detector."""

    attack: str
    curve: RocCurve
    area: float
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
    panels = []
    for one in detectors:
        seed = f", seed {one.seed}" if several_seeds else ""
        threshold = threshold_at(one.scores_of("val"), spec["false_positives"])
        panels.append(
            Panel(
                title=f"{one.detector} on {one.dataset}, {one.model}{seed}",
                false_positives=float((one.scores_of("test") > threshold).mean()),
                curves=list(_curves(one)),
            )
        )
    return draw(panels)


def _curves(one: Detector) -> Iterator[Curve]:
    """Yield a curve for each attack that fooled the victim at least once."""
    clean = one.scores_of("test")
    for scored in one.attacked:
        found = scored.records.loc[scored.records["success_8bit"].astype(bool), "score"].to_numpy()
        if len(found):
            yield Curve(scored.attack, roc(clean, found), area_under(clean, found).area, scored.adaptive)


def draw(panels: Sequence[Panel]) -> Figure:
    """Draw a panel per detector and victim, with a curve per attack."""
    with house_style():
        figure = Figure(figsize=(6.4 * len(panels), 5.4), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels, strict=True):
            _draw_panel(axes, panel)
        figure.axes[0].set_ylabel("successful adversarial images detected (%)")
        return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    chance = np.geomspace(LEFT_END, 100, 100)
    axes.plot(chance, chance, color=GREY, linewidth=1, linestyle=":", label="chance: 50.0")
    colours = iter(COLOURS * len(panel.curves))
    for one in panel.curves:
        style: dict[str, Any] = {"color": "black", "linestyle": "--"} if one.adaptive else {"color": next(colours)}
        false_positives = np.maximum(100 * one.curve.false_positives, LEFT_END / 10)
        label = f"{one.attack}: {100 * one.area:.1f}"
        axes.step(false_positives, 100 * one.curve.detected, where="post", linewidth=1.8, label=label, **style)
    axes.axvline(100 * panel.false_positives, color=GREY, linewidth=1)
    axes.annotate(
        f"threshold: {100 * panel.false_positives:.1f} %",
        (100 * panel.false_positives, 101),
        xytext=(3, 0),
        textcoords="offset points",
        color=GREY,
        fontsize=8,
    )
    axes.set(xscale="log", xlim=(LEFT_END, 100), ylim=(0, 100.5), xlabel="clean test images flagged as adversarial (%)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(panel.title, loc="left", pad=18)
    axes.legend(
        title="attack: AUC (%); dashed: knows the detector", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2
    )
