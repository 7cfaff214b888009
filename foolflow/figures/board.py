"""A board of the leaderboard as a heat map: victims by rank, and what they were attacked with."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.heat_map import HeatMap, draw, grid, rows_to_show
from foolflow.statistics.attempts import short_names


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the table of a board. spec: title; table, its name."""
    return draw(spec["title"], heat_map(rows_to_show(artefacts, spec["table"])))


def heat_map(table: pd.DataFrame) -> HeatMap:
    """Arrange the table. table: the CSV of `foolflow.tables.leaderboard`."""
    table = table.assign(victim=table["model"] + "/" + table["defense"])
    victims = list(dict.fromkeys(table["victim"]))
    columns = list(dict.fromkeys(table["against"]))  # clean, the worst case, the attacks
    rank = dict(zip(table["victim"], table["rank"], strict=True))
    names = short_names(victims)
    return HeatMap(
        rows=[f"{rank[victim]:.0f}. {names[victim]}" for victim in victims],
        columns=columns,
        **grid(table, "accuracy", rows=("victim", victims), columns=("against", columns)),
        down="",
        across="",
        meaning="accuracy (%)",
        gaps=[1, 2],
    )
