"""Success and distortion against each varied parameter, with intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import LOOKS, WIDTH, heading, house_style
from foolflow.figures.text import limited, shorten, shorten_all

VALUE = 0.37  # inches of a value
MARGIN = 0.6  # values between two parameters
LONGEST = 24  # columns of a name


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the explorations of a table. spec: title; table, its name."""
    return draw(
        spec["title"], artefacts.table(spec["table"], converters=dict.fromkeys(("model", "parameter", "value"), str))
    )


def draw(title: str, table: pd.DataFrame) -> Figure:
    """Draw a column of two panels per parameter, in as many bands as are needed.

    Draws as many models as there are LOOKS at most.
    table: the CSV of `foolflow.tables.explorations`, with the column `value` read as text.
    """
    values = {name: list(rows["value"].unique()) for name, rows in table.groupby("parameter", sort=False)}
    models = list(table["model"].unique())
    looks = dict(zip(models, zip(shorten_all(models, LONGEST), LOOKS, strict=False), strict=False))
    bands = _bands({str(name): len(each) for name, each in values.items()})
    widest = max(sum(len(values[name]) + MARGIN for name in band) for band in bands)
    with house_style():
        width, legend = min(max(VALUE * widest + 0.9, 4.4), WIDTH), 0.2 * -(-len(looks) // 4) if len(models) > 1 else 0
        figure = Figure(figsize=(width, 5.0 * len(bands) + legend), layout="constrained")
        parts = figure.subfigures(len(bands), 1, squeeze=False)[:, 0]
        for part, band in zip(parts, bands, strict=True):
            # A band with few values has an empty part at its right end, so that all bands have the same scale.
            widths = [len(values[name]) + MARGIN for name in band]
            rest = [widest - sum(widths)] if widest - sum(widths) > MARGIN else []
            grid = part.subplots(
                2, len(widths + rest), squeeze=False, sharex="col", sharey="row", width_ratios=widths + rest
            )
            for axes in grid[:, len(widths) :].flat:
                axes.set_axis_off()
            for name, (upper, lower) in zip(band, grid.T[: len(widths)], strict=True):
                _draw_parameter(upper, lower, table[table["parameter"] == name], values[name], looks)
                lower.set_xlabel(shorten(name, LONGEST))
            grid[0, 0].set_ylabel("success (%)")
            grid[0, 0].set_ylim(-3, 103)
            grid[1, 0].set_ylabel("median flow loss (pixels)")
            grid[1, 0].set_ylim(bottom=0)
        if len(models) > 1:
            handles, labels = parts[0].axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
        heading(figure, title + limited(len(looks), len(models), "models"))
        return figure


def _bands(counts: Mapping[str, int]) -> list[list[str]]:
    """Distribute the parameters. counts: the number of values of each."""
    bands: list[list[str]] = []
    room = 0.0
    for name, count in counts.items():
        if count + MARGIN > room or not bands:
            bands.append([])
            room = (WIDTH - 0.9) / VALUE
        bands[-1].append(name)
        room -= count + MARGIN
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
    lower.set_xticks(range(len(values)), [shorten(value, 12) for value in values], rotation=45 if long else 0)
    lower.set_xlim(-0.5, len(values) - 0.5)


def _plot(axes: Axes, places: pd.Series, values: np.ndarray, style: Mapping[str, Any]) -> None:
    """Plot values with intervals. values: (N, 3), each value with the lower and upper end of its interval."""
    middle, low, high = values.T
    errors = np.maximum(np.nan_to_num([middle - low, high - middle]), 0)
    axes.errorbar(places, middle, yerr=errors, marker="o", markersize=4, capsize=2.5, linewidth=1, **style)
