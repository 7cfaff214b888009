"""Success and distortion against each varied parameter, with intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import LOOKS, WIDTH, heading, house_style
from foolflow.figures.text import columns, limited, shorten, shorten_all

# Widths in inches: of a value, of a letter of a parameter's name, and of the vertical axis.
VALUE, LETTER, AXIS = 0.34, 0.08, 0.9
LABELS = 21  # of more values, some are not labelled
LONGEST = 24  # columns of a name


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the explorations of a table. spec: title; table, its name."""
    return draw(spec["title"], artefacts.table(spec["table"]))


def draw(title: str, table: pd.DataFrame) -> Figure:
    """Draw a column of two panels per parameter, in as many bands as are needed.

    Draws as many models as there are LOOKS at most.
    table: the CSV of `foolflow.tables.explorations`.
    """
    values = {str(name): list(rows["value"].unique()) for name, rows in table.groupby("parameter", sort=False)}
    models = list(table["model"].unique())
    looks = dict(zip(models, zip(shorten_all(models, LONGEST), LOOKS, strict=False), strict=False))
    widths = {name: max(VALUE * (len(each) + 0.6), LETTER * columns(name)) for name, each in values.items()}
    bands = _bands(widths)
    widest = max(sum(widths[name] for name in band) for band in bands)
    with house_style():
        legend = 0.2 * -(-len(looks) // 4) if len(models) > 1 else 0
        size = min(max(widest + AXIS, 4.4), WIDTH), 5.0 * len(bands) + legend
        figure = Figure(figsize=size, layout="constrained")
        parts = figure.subfigures(len(bands), 1, squeeze=False)[:, 0]
        for part, band in zip(parts, bands, strict=True):
            # A band with few values has an empty part at its right end, so that all bands have the same scale.
            ratios = [widths[name] for name in band]
            ratios += [widest - sum(ratios)] if widest - sum(ratios) > VALUE else []
            grid = part.subplots(2, len(ratios), squeeze=False, sharex="col", sharey="row", width_ratios=ratios)
            for axes in grid[:, len(band) :].flat:
                axes.set_axis_off()
            for name, (upper, lower) in zip(band, grid.T[: len(band)], strict=True):
                _draw_parameter(upper, lower, table[table["parameter"] == name], values[name], looks)
                lower.set_xlabel(shorten(name, LONGEST), fontsize=9)
            grid[0, 0].set_ylabel("success (%)")
            grid[0, 0].set_ylim(-3, 103)
            grid[1, 0].set_ylabel("median flow loss (pixels)")
            grid[1, 0].set_ylim(bottom=0)
        if len(models) > 1:
            handles, labels = parts[0].axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
        heading(figure, title + limited(len(looks), len(models), "models"))
        return figure


def _bands(widths: Mapping[str, float]) -> list[list[str]]:
    """Distribute the parameters. widths: of their panels."""
    bands: list[list[str]] = []
    room = 0.0
    for name, width in widths.items():
        if width > room or not bands:
            bands.append([])
            room = WIDTH - AXIS
        bands[-1].append(name)
        room -= width
    return bands


def _draw_parameter(
    upper: Axes, lower: Axes, rows: pd.DataFrame, values: list[str], looks: Mapping[str, tuple[str, tuple[str, str]]]
) -> None:
    """Draw a parameter. looks: the label, line style and colour of each model."""
    for model, (label, (line, colour)) in looks.items():
        of_model = rows[rows["model"] == model]
        places = of_model["value"].map(values.index)
        style = {"color": colour, "linestyle": line, "label": label}
        _plot(upper, places, 100 * of_model[["success", "low", "high"]].to_numpy(), style)
        _plot(lower, places, of_model[["median_flow_loss", "flow_low", "flow_high"]].to_numpy(), style)
    long = max(map(len, values)) > 4
    shown = range(0, len(values), -(-len(values) // LABELS))
    labels = [shorten(values[place], 12) for place in shown]
    lower.set_xticks(shown, labels, rotation=45 if long else 0, fontsize=9)
    lower.set_xlim(-0.5, len(values) - 0.5)


def _plot(axes: Axes, places: pd.Series, values: np.ndarray, style: Mapping[str, Any]) -> None:
    """Plot values with intervals. values: (N, 3), each value with the lower and upper end of its interval."""
    middle, low, high = values.T
    errors = np.maximum(np.nan_to_num([middle - low, high - middle]), 0)
    axes.errorbar(places, middle, yerr=errors, marker="o", markersize=4, capsize=2.5, linewidth=1, **style)
