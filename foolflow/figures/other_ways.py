"""Accuracy against the mean L2 distance of each way to make a data set worse: attacks, and controls."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import GREY, LOOKS, house_style, panels
from foolflow.figures.text import limited, shorten, shorten_all

LONGEST = 40  # columns of the name of a way
VICTIMS = 6


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the curves of a table. spec: table, its name."""
    return draw(artefacts.table(spec["table"]))


def draw(table: pd.DataFrame) -> Figure:
    """Draw two panels for each network, as many networks as VICTIMS at most: attacks, and controls.

    table: the CSV of the table `fgsm_sweep_ways`. Each way has a curve per seed, and looks the same for all networks.
    A panel has as many ways as there are LOOKS at most.
    """
    table = table.assign(
        name=list(map(_name, table["way"], table["attack"], table["source"])),
        part=table["way"].map(lambda way: "controls" if way == "control" else "attacks"),
    )
    made = table[table["way"] != "clean"]
    parts = [(str(part), list(rows["name"].unique())) for part, rows in made.groupby("part")]
    networks = list(table.groupby(["dataset", "model"], sort=False))
    shown = networks[:VICTIMS]
    longest = max(min(len(ways), len(LOOKS)) for _, ways in parts)
    with house_style():
        figure, each = panels(len(shown) * len(parts), height=3.9 + 0.2 * (longest + 1), alone=7.6)
        places = [(network, part) for network in shown for part in parts]
        for axes, (((dataset, model), rows), (part, ways)) in zip(each, places, strict=True):
            _draw_panel(axes, rows, ways[: len(LOOKS)])
            words = limited(len(ways[: len(LOOKS)]), len(ways), "ways") + limited(len(shown), len(networks), "networks")
            axes.set_title(f"{shorten(f'{model} on {dataset}', 30)}: {part}{words}", loc="left")
            axes.set_xlim(0, 1.02 * made["l2"].max())
        for axes in each[::2]:
            axes.set_ylabel("accuracy (%)")
        return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, ways: list[str]) -> None:
    for name, label, (line, colour) in zip(ways, shorten_all(ways, LONGEST), LOOKS, strict=False):
        seeds = [one for _, one in rows[rows["name"] == name].groupby("seed")]
        # The legend has every way, also one that this network was not attacked in.
        for place, one in enumerate(seeds or [rows.head(0)]):
            low, high = 100 * one["low"], 100 * one["high"]
            axes.fill_between(one["l2"], low, high, color=colour, alpha=0.12, linewidth=0)
            look: dict[str, Any] = {
                "color": colour,
                "linestyle": line,
                "marker": "o",
                "markersize": 4,
                "linewidth": 1.2,
            }
            axes.plot(one["l2"], 100 * one["accuracy"], label="" if place else label, **look)
    clean = rows.loc[rows["way"] == "clean", "accuracy"].mean()
    axes.axhline(100 * clean, color=GREY, linewidth=0.8, label="clean")
    axes.set(xlabel="mean L2 distance (pixels in [0, 1])", ylim=(0, 101))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1, fontsize=9)


def _name(way: Any, attack: Any, source: Any) -> str:
    if way == "control":
        return str(attack)
    return f"{attack} ({way if pd.isna(source) else f'made on {source}'})"
