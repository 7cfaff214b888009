"""A transfer matrix as a heat map: sources and the control by targets, the white-box attacks on the diagonal framed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.heat_map import HeatMap, draw, grid, rows_to_show
from foolflow.statistics.attempts import CONTROL, short_names


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw a transfer matrix. spec: title; table, its name."""
    return draw(spec["title"], heat_map(rows_to_show(artefacts, spec["table"])))


def heat_map(table: pd.DataFrame) -> HeatMap:
    """Arrange the table. table: the CSV of `foolflow.tables.transfer`."""
    victims = list(dict.fromkeys(table["target"]))
    names = [short_names(victims)[victim] for victim in victims]
    control = [CONTROL] if CONTROL in set(table["source"]) else []
    return HeatMap(
        rows=[*names, *control],
        columns=names,
        **grid(table, "success", rows=("source", [*victims, *control]), columns=("target", victims)),
        down="made on (source)",
        across="shown to (target)",
        meaning="success (%)",
        framed=[(index, index) for index in range(len(victims))],
    )
