"""Accuracy against the mean L2 distance of each way to make a data set worse: attacks, and controls."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import CONTROL_LOOK, GREY, LOOKS, house_style, panels
from foolflow.figures.text import limited, shorten, shorten_all

LONGEST = 48  # columns of the name of a way
PANELS = 6


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the curves of a table. spec: table, its name."""
    return draw(artefacts.table(spec["table"]))


def draw(table: pd.DataFrame) -> Figure:
    """Draw a panel per victim, as many as PANELS at most, with a curve per way, as many as there are LOOKS at most.

    table: the CSV of the table `fgsm_sweep_ways`. A way looks the same in all panels, which share a legend.
    """
    table = table.assign(name=list(map(_name, table["way"], table["attack"], table["source"])))
    victims = list(table.groupby(["dataset", "model", "seed"], sort=False))
    shown = victims[:PANELS]
    ways = list(table.loc[table["way"] != "clean", "name"].unique())
    controls = set(table.loc[table["way"] == "control", "name"])
    labels = dict(zip(ways, shorten_all(ways[: len(LOOKS)], LONGEST), strict=False))
    with house_style():
        legend = 0.2 * (len(labels) + 1) / 2
        figure, each = panels(len(shown), height=4.2 + legend / -(-len(shown) // 2), alone=7.6)
        for axes, ((dataset, model, seed), rows) in zip(each, shown, strict=True):
            for look, (name, label) in zip(LOOKS, labels.items(), strict=False):
                _draw_way(axes, rows[rows["name"] == name], label, look, is_control=name in controls)
            clean = rows[rows["way"] == "clean"].iloc[0]
            axes.axhline(100 * clean["accuracy"], color=GREY, linewidth=0.8, label="clean")
            axes.set(xlabel="mean L2 distance (pixels in [0, 1])", ylim=(0, 101))
            axes.set_xlim(left=0)
            part = limited(len(labels), len(ways), "ways") + limited(len(shown), len(victims), "networks")
            axes.set_title(f"{shorten(f'{model} on {dataset}', 30)}, seed {seed}{part}", loc="left")
        for axes in each[::2]:
            axes.set_ylabel("accuracy (%)")
        handles, names = each[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9)
        return figure


def _draw_way(axes: Axes, rows: pd.DataFrame, label: str, look: tuple[str, str], *, is_control: bool) -> None:
    """Draw a curve. rows: none if the victim was not attacked in this way; the legend needs the empty curve."""
    line, colour = look
    style: dict[str, Any] = CONTROL_LOOK if is_control else {"linestyle": line, "marker": "o", "markersize": 4}
    axes.fill_between(rows["l2"], 100 * rows["low"], 100 * rows["high"], color=colour, alpha=0.12, linewidth=0)
    axes.plot(rows["l2"], 100 * rows["accuracy"], color=colour, label=label, **style)


def _name(way: Any, attack: Any, source: Any) -> str:
    made_on = "" if pd.isna(source) else f" from {source}"
    return f"{attack} ({way}{made_on})"
