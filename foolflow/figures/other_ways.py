"""Accuracy against the mean L2 distance of each way to make a data set worse: attacks, and controls."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
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

    table: the CSV of the table `fgsm_sweep_ways`.
    """
    victims = list(table.groupby(["dataset", "model", "seed"], sort=False))
    shown = victims[:PANELS]
    most = max(rows.groupby(["attack", "source"], dropna=False).ngroups for _, rows in shown)
    with house_style():
        figure, each = panels(len(shown), height=4.2 + 0.2 * min(most, len(LOOKS)), alone=7.6)
        for axes, ((dataset, model, seed), rows) in zip(each, shown, strict=True):
            clean = rows[rows["way"] == "clean"].iloc[0]
            curves = list(rows[rows["way"] != "clean"].groupby(["way", "attack", "source"], sort=False, dropna=False))
            names = shorten_all([_label(*key) for key, _ in curves[: len(LOOKS)]], LONGEST)
            for (line, colour), (key, one), label in zip(LOOKS, curves, names, strict=False):
                look = CONTROL_LOOK if key[0] == "control" else {"linestyle": line, "marker": "o", "markersize": 4}
                distance, accuracy, low, high = (one[name] for name in ("l2", "accuracy", "low", "high"))
                axes.fill_between(distance, 100 * low, 100 * high, color=colour, alpha=0.12, linewidth=0)
                axes.plot(distance, 100 * accuracy, color=colour, label=label, **look)
            axes.axhline(100 * clean["accuracy"], color=GREY, linewidth=0.8, label="clean")
            axes.set(xlabel="mean L2 distance (pixels in [0, 1])", ylim=(0, 101))
            axes.set_xlim(left=0)
            part = limited(len(names), len(curves), "ways") + limited(len(shown), len(victims), "networks")
            axes.set_title(f"{shorten(f'{model} on {dataset}', 30)}, seed {seed}{part}", loc="left")
            columns = 2 if len(shown) == 1 else 1
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=columns, fontsize=9)
        for axes in each[::2]:
            axes.set_ylabel("accuracy (%)")
        return figure


def _label(way: Any, attack: Any, source: Any) -> str:
    made_on = "" if pd.isna(source) else f" from {source}"
    return f"{attack} ({way}{made_on})"
