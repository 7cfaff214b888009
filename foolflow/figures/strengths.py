"""Filters at several strengths: accuracy on clean images and under each attack, a panel for each filter."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import GREY, LOOKS, WIDTH, heading, house_style
from foolflow.figures.text import limited, shorten, shorten_all

ROW = 3  # panels next to each other
LONGEST = 24  # columns of a name
HEIGHT = 2.6  # inches of a panel


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the strengths of a table. spec: title; table, its name; model; seed."""
    table = artefacts.table(spec["table"])
    chosen = (table["model"] == spec["model"]) & (table["seed"] == spec["seed"])
    return draw(spec["title"], table[chosen])


def draw(title: str, table: pd.DataFrame) -> Figure:
    """Draw a panel for each filter; its left end is the network without a filter.

    table: the CSV of `foolflow.tables.strengths`, of one victim's network and seed.
    """
    filters = [
        (str(name), rows) for name, rows in table[table["method"].fillna("") != ""].groupby("method", sort=False)
    ]
    attacks = list(table[["kind", "attack"]].drop_duplicates().itertuples(index=False, name=None))
    shown = attacks[: len(LOOKS)]
    names = shorten_all([f"{kind} {attack}" for kind, attack in shown], LONGEST)
    with house_style():
        bands = -(-len(filters) // ROW)
        figure = Figure(figsize=(WIDTH, HEIGHT * bands + 0.9), layout="constrained")
        grid = figure.subplots(bands, min(ROW, len(filters)), squeeze=False, sharey=True)
        for axes in grid.flat[len(filters) :]:
            axes.set_axis_off()
        for axes, (name, rows) in zip(grid.flat, filters, strict=False):
            values = list(rows["value"].unique())
            bare = table[table["method"].fillna("") == ""]
            of_panel = pd.concat([bare.assign(value="none"), rows])
            _draw_panel(axes, of_panel, ["none", *values], shown, names)
            axes.set_title(shorten(name, LONGEST), loc="left", fontsize=10)
            axes.set_xlabel(shorten(str(rows["parameter"].iloc[0]), LONGEST), fontsize=9)
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy (%)")
            axes.set_ylim(-3, 103)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
        heading(figure, title + limited(len(shown), len(attacks), "attacks"))
        return figure


def _draw_panel(
    axes: Axes, rows: pd.DataFrame, values: list[str], attacks: list[tuple[str, str]], names: list[str]
) -> None:
    """Draw the clean accuracy on the most images, and the accuracy under each attack, against the strength."""
    clean = rows.sort_values("n", kind="stable").drop_duplicates("value", keep="last")
    _plot(axes, clean, values, ("clean", "clean_low", "clean_high"), color=GREY, linestyle="--", label="clean images")
    for (kind, attack), name, (line, colour) in zip(attacks, names, LOOKS, strict=False):
        found = rows[(rows["kind"] == kind) & (rows["attack"] == attack)]
        measured = ("accuracy", "accuracy_low", "accuracy_high")
        _plot(axes, found, values, measured, color=colour, linestyle=line, label=f"under {name}")
    axes.set_xticks(range(len(values)), [shorten(value, 8) for value in values], fontsize=9)
    axes.set_xlim(-0.4, len(values) - 0.6)


def _plot(axes: Axes, rows: pd.DataFrame, values: list[str], measured: tuple[str, str, str], **style: Any) -> None:
    places = rows["value"].map(values.index).to_numpy()
    order = np.argsort(places, kind="stable")
    middle, low, high = 100 * rows[list(measured)].to_numpy(dtype=float)[order].T
    errors = np.maximum(np.nan_to_num([middle - low, high - middle]), 0)
    axes.errorbar(places[order], middle, yerr=errors, marker="o", markersize=3.5, capsize=2, linewidth=1, **style)
