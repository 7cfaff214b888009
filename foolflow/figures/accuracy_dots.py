"""The test accuracy of each model, with its interval, next to the published values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, WIDTH, heading, house_style
from foolflow.figures.text import limited, shorten, shorten_all

MODELS = 40  # in a panel
LONGEST = 24  # columns of the name of a model
MARKERS = ("s", "D", "^")
ROW = 0.32  # inches of a model
BETWEEN_SEEDS = 0.2  # of a row
ALL_SEEDS = 0.7  # of a row, at most
# Published accuracies on other splits, which cannot be compared with our test accuracy.
HIDDEN = ("published_train", "published_val")


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the accuracies of a table. spec: title; table, its name."""
    return draw(spec["title"], artefacts.table(spec["table"]))


def draw(title: str, table: pd.DataFrame) -> Figure:
    """Draw a panel per data set, one below the other, each with its own models. table: the CSV of an accuracy table."""
    published = [
        name
        for name in map(str, table.columns)
        if name.startswith("published_") and name not in HIDDEN and table[name].notna().any()
    ]
    models = {dataset: list(rows["model"].unique()) for dataset, rows in table.groupby("dataset", sort=False)}
    shown = {dataset: names[:MODELS] for dataset, names in models.items()}
    title += limited(sum(map(len, shown.values())), sum(map(len, models.values())), "models")
    heights = [len(names) + 2 for names in shown.values()]  # with the space for the title and the axis
    with house_style():
        figure = Figure(figsize=(0.7 * WIDTH, ROW * sum(heights) + 1.2), layout="constrained")
        each = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (dataset, names) in zip(each, shown.items(), strict=True):
            _draw_panel(axes, table[(table["dataset"] == dataset) & table["model"].isin(names)], names, published)
            axes.set_title(shorten(str(dataset), LONGEST), loc="left")
        each[-1].set_xlabel("test accuracy (%)")
        found = {
            label: handle for axes in each for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=min(len(found), 2))
        heading(figure, title)
        return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, models: list[str], published: list[str]) -> None:
    """Draw the rows of a data set. models: from top to bottom. The training seeds of a model are below each other."""
    places = {model: place for place, model in enumerate(models)}
    each = rows.groupby("model")["seed"]
    most = int(each.size().max())
    from_middle = each.rank() - each.rank().groupby(rows["model"]).transform("mean")
    heights = rows["model"].map(places) + min(BETWEEN_SEEDS, ALL_SEEDS / most) * from_middle
    several = " (a dot for each training seed)" if most > 1 else ""
    errors = [100 * (rows["test"] - rows["low"]), 100 * (rows["high"] - rows["test"])]
    axes.errorbar(
        100 * rows["test"],
        heights,
        xerr=errors,
        fmt="o",
        markersize=6 if most == 1 else 4,
        color=COLOURS[0],
        capsize=3 if most == 1 else 1.5,
        label=f"Foolflow, 95 % interval{several}",
    )
    first = rows.drop_duplicates("model")  # a published value is one, whatever the number of seeds here
    for marker, column in zip(MARKERS, published, strict=False):
        known = first[first[column].notna()]
        axes.plot(
            100 * known[column],
            known["model"].map(places),
            marker,
            color=GREY,
            markerfacecolor="none",
            label=f"published: {column.removeprefix('published_')}",
        )
    axes.set_yticks(list(places.values()), shorten_all(models, LONGEST))
    axes.set_ylim(len(places) - 0.5, -0.5)
