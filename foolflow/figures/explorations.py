"""Success and distortion against each varied parameter, with intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, house_style


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the explorations of a table. spec: title; table, its name."""
    return draw(spec["title"], artefacts.table(spec["table"], dtype={"value": str}))


def draw(title: str, table: pd.DataFrame) -> Figure:
    """Draw a column of panels per parameter.

    table: the CSV of `foolflow.tables.explorations`, with the column `value` read as text.
    """
    parameters = list(table["parameter"].unique())
    counts = [table.loc[table["parameter"] == parameter, "value"].nunique() for parameter in parameters]
    with house_style():
        figure = Figure(figsize=(max(2.2 * len(parameters), 0.62 * sum(counts) + 1.6), 5.4), layout="constrained")
        grid = figure.subplots(
            2,
            len(parameters),
            squeeze=False,
            sharex="col",
            sharey="row",
            width_ratios=[count + 0.6 for count in counts],
        )
        for parameter, (upper, lower) in zip(parameters, grid.T, strict=True):
            rows = table[table["parameter"] == parameter]
            values = list(rows["value"].unique())
            for colour, (model, of_model) in zip(COLOURS, rows.groupby("model", sort=False), strict=False):
                places = of_model["value"].map(values.index)
                _plot(upper, places, 100 * of_model[["success", "low", "high"]].to_numpy(), colour, str(model))
                flow = of_model[["median_flow_loss", "flow_low", "flow_high"]].to_numpy()
                _plot(lower, places, flow, colour, str(model))
            lower.set_xticks(range(len(values)), values, rotation=45 if max(map(len, values)) > 4 else 0)
            lower.set_xlim(-0.5, len(values) - 0.5)
            lower.set_xlabel(parameter)
        grid[0, 0].set_ylabel("success (%)")
        grid[0, 0].set_ylim(-3, 103)
        grid[1, 0].set_ylabel("median flow loss (pixels)")
        grid[1, 0].set_ylim(bottom=0)
        if table["model"].nunique() > 1:
            grid[0, 0].legend(fontsize=8)
        figure.suptitle(title, fontsize=11)
        return figure


def _plot(axes: Axes, places: pd.Series, values: np.ndarray, colour: str, label: str) -> None:
    """Plot values with intervals. values: (N, 3), each value with the lower and upper end of its interval."""
    middle, low, high = values.T
    errors = np.maximum(np.nan_to_num([middle - low, high - middle]), 0)
    axes.errorbar(
        places, middle, yerr=errors, fmt="o-", color=colour, markersize=4, capsize=2.5, linewidth=1, label=label
    )
