"""Write the leaderboard as one self-contained page.

--spec: a list of {"board", "attempts"}, each as for `build` in foolflow/tables/leaderboard.py
"""

import argparse
from importlib.resources import files

import numpy as np

from foolflow.data.artefacts import Artefacts
from foolflow.jobs.command_line import add_named_inputs, add_output, job_parser, named_inputs, run_job
from foolflow.jobs.files import write_text
from foolflow.pages.examples import examples
from foolflow.pages.leaderboard import Section, render
from foolflow.statistics.attempts import Attempt, load_attempts
from foolflow.tables.leaderboard import Board, standings, tabulate


def main(arguments: argparse.Namespace) -> None:
    artefacts = Artefacts(named_inputs(arguments))
    sections = [section(entry, artefacts) for entry in arguments.spec]
    template = files("foolflow.pages").joinpath("leaderboard.html").read_text(encoding="utf-8")
    write_text(arguments.page, render(template, sections))


def section(entry: dict, artefacts: Artefacts) -> Section:
    board = Board.from_entry(entry["board"])
    attempts = load_attempts(entry["attempts"], artefacts)

    def read(attempt: Attempt, row: int) -> np.ndarray:
        """Read one image only: an adversarial set can be large."""
        return artefacts.tensor(vars(attempt) | {"dataset": board.dataset}, "images", [row])[0]

    split = artefacts.split({"dataset": board.dataset})
    shown = {
        (standing.model, standing.defense, str(standing.seed), column): found
        for standing in standings(board, attempts)
        for column, found in examples(standing, split, read, board.budget).items()
    }
    return Section(board, tabulate(board, attempts), shown)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_named_inputs(parser)
    add_output(parser, "--page")
    run_job(main, parser)
