"""The test accuracy of each model, with its interval, next to the published values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, heading, house_style, panels
from foolflow.figures.text import limited, shorten, shorten_all

MODELS = 40
LONGEST = 24  # columns of the name of a model
MARKERS = ("s", "D", "^")
# Published accuracies on other splits, which cannot be compared with our test accuracy.
HIDDEN = ("published_train", "published_val")


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the accuracies of a table. spec: title; table, its name."""
    return draw(spec["title"], artefacts.table(spec["table"]))


def draw(title: str, table: pd.DataFrame) -> Figure:
    """Draw a panel per data set. table: the CSV of an accuracy table."""
    published = [
        name
        for name in map(str, table.columns)
        if name.startswith("published_") and name not in HIDDEN and table[name].notna().any()
    ]
    datasets = list(table["dataset"].unique())
    with house_style():
        models = list(table["model"].unique())
        shown = models[:MODELS]
        title += limited(len(shown), len(models), "models")
        figure, each = panels(len(datasets), height=0.38 * len(shown) + 1.6, alone=5.4)
        for axes, dataset in zip(each, datasets, strict=True):
            _draw_panel(axes, table[(table["dataset"] == dataset) & table["model"].isin(shown)], shown, published)
            axes.set_title(shorten(dataset, LONGEST), loc="left")
        handles, labels = each[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3))
        heading(figure, title)
        return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, models: list[str], published: list[str]) -> None:
    """Draw the rows of a data set. models: from top to bottom, in all panels."""
    places = {model: place for place, model in enumerate(models)}
    heights = rows["model"].map(places)
    errors = [100 * (rows["test"] - rows["low"]), 100 * (rows["high"] - rows["test"])]
    axes.errorbar(
        100 * rows["test"], heights, xerr=errors, fmt="o", color=COLOURS[0], capsize=3, label="Foolflow, 95 % interval"
    )
    for marker, column in zip(MARKERS, published, strict=False):
        known = rows[column].notna()
        axes.plot(
            100 * rows.loc[known, column],
            heights[known],
            marker,
            color=GREY,
            markerfacecolor="none",
            label=f"published: {column.removeprefix('published_')}",
        )
    axes.set_yticks(list(places.values()), shorten_all(models, LONGEST))
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlabel("test accuracy (%)")
