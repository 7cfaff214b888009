"""Draw a board of the leaderboard, or a matrix of the study `transfer`, from its CSV.

--spec: {"study": "leaderboard" or "transfer", "title": ...}
"""

import argparse
from pathlib import Path

import pandas as pd

from foolflow.statistics.attempts import short_names
from foolflow.jobs.command_line import job_parser, run_job
from foolflow.figures.heat_map import HeatMap, draw
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.tables.over_seeds import MEAN

NUMBERS = ("n", "accuracy", "success", "low", "high", "sd", "rank")


def main(arguments: argparse.Namespace) -> None:
    # What is empty is missing, and nothing else is: a user may have named a model `null`.
    table = pd.read_csv(arguments.table, dtype=str, keep_default_na=False)
    table = table.assign(**{name: pd.to_numeric(table[name]) for name in NUMBERS if name in table})
    shown = table[table["seed"] == MEAN] if MEAN in set(table["seed"]) else table
    read = {"leaderboard": of_board, "transfer": of_matrix}[arguments.spec["study"]]
    save_figure(draw(arguments.spec["title"], read(shown)), arguments)


def of_board(table: pd.DataFrame) -> HeatMap:
    """Victims by rank, and what they were attacked with."""
    table = table.assign(victim=table["model"] + "/" + table["defense"])
    victims = list(dict.fromkeys(table["victim"]))
    columns = list(dict.fromkeys(table["against"]))  # clean, the worst case, the attacks
    rank = dict(zip(table["victim"], table["rank"], strict=True))
    names = short_names(victims)
    return HeatMap(
        rows=[f"{rank[victim]:.0f}. {names[victim]}" for victim in victims],
        columns=columns,
        values=table.pivot(index="victim", columns="against", values="accuracy").reindex(victims)[columns].to_numpy(),
        details=details(table, "victim", "against").reindex(victims)[columns].fillna("").to_numpy().tolist(),
        down="",
        across="",
        meaning="accuracy (%)",
        gaps=[1, 2],
    )


def of_matrix(table: pd.DataFrame) -> HeatMap:
    """Sources by targets; the white-box attacks, on the diagonal, are framed."""
    victims = list(dict.fromkeys(table["target"]))
    names = [short_names(victims)[victim] for victim in victims]
    return HeatMap(
        rows=names,
        columns=names,
        values=table.pivot(index="source", columns="target", values="success").reindex(victims)[victims].to_numpy(),
        details=details(table, "source", "target").reindex(victims)[victims].fillna("").to_numpy().tolist(),
        down="made on (source)",
        across="shown to (target)",
        meaning="success (%)",
        framed=[(place, place) for place in range(len(victims))],
    )


def details(table: pd.DataFrame, down: str, across: str) -> pd.DataFrame:
    """The interval of each rate, or the standard deviation of a mean."""

    def text(row: pd.Series) -> str:
        if pd.notna(row["sd"]):
            return f"± {100 * row['sd']:.1f}"
        return f"{100 * row['low']:.1f} to {100 * row['high']:.1f}" if pd.notna(row["low"]) else ""

    return table.assign(detail=table.apply(text, axis=1)).pivot(index=down, columns=across, values="detail")


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True)
    add_figure_options(parser)
    run_job(main, parser)
