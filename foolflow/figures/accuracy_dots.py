"""The test accuracy of each model, with its interval, next to the published values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, house_style

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
        rows = max(table.groupby("dataset")["model"].nunique())
        figure = Figure(figsize=(4.4 * len(datasets) + 1, 0.38 * rows + 1.6), layout="constrained")
        panels = figure.subplots(1, len(datasets), squeeze=False, sharey=True)[0]
        for axes, dataset in zip(panels, datasets, strict=True):
            _draw_panel(axes, table[table["dataset"] == dataset], published)
            axes.set_title(dataset, loc="left")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(title, fontsize=11)
        return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, published: list[str]) -> None:
    places = {model: place for place, model in enumerate(rows["model"].unique())}
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
    axes.set_yticks(list(places.values()), list(places))
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlabel("test accuracy (%)")
