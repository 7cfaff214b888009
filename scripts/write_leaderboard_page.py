"""Write the leaderboard as one page with everything in it.

--spec: a list of {"board", "attempts"}, each as scripts/tabulate_leaderboard.py has them; --images has one file for
each of them, --adversarial and --records one for each attempt, --evaluations one for each attempt that has a source
"""

import argparse
from pathlib import Path

import numpy as np

from foolflow.statistics.attempts import Attempt, load_attempts
from foolflow.jobs.command_line import add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.jobs.files import write_text
from foolflow.pages.examples import ReadImage, examples
from foolflow.pages.leaderboard import Section, render
from foolflow.data.reading import open_tensors
from foolflow.tables.leaderboard import Board, standings, tabulate


def main(arguments: argparse.Namespace) -> None:
    records, adversarial = iter(arguments.records), iter(arguments.adversarial)
    evaluations = iter(arguments.evaluations)
    sections = []
    for entry, images in zip(arguments.spec, arguments.images, strict=True):
        transferred = [attempt for attempt in entry["attempts"] if attempt["source"] is not None]
        attempts = load_attempts(
            entry["attempts"], [next(records) for _ in entry["attempts"]], [next(evaluations) for _ in transferred]
        )
        sets = {identity(attempt): next(adversarial) for attempt in attempts}
        sections.append(section(Board.of(entry["board"]), attempts, images, reader(sets)))
    write_text(arguments.page, render(arguments.template.read_text(encoding="utf-8"), sections))


def identity(attempt: Attempt) -> tuple:
    return attempt.victim, attempt.seed, attempt.attack, attempt.source


def reader(sets: dict[tuple, Path]) -> ReadImage:
    """Reads single images: an adversarial set can be large."""

    def read(attempt: Attempt, row: int) -> np.ndarray:
        with open_tensors(sets[identity(attempt)]) as file:
            return file.get_slice("images")[row : row + 1][0]

    return read


def section(board: Board, attempts: list[Attempt], images: Path, read: ReadImage) -> Section:
    split = load_split(images)
    shown = {
        (standing.model, standing.defense, str(standing.seed), column): found
        for standing in standings(board, attempts)
        for column, found in examples(standing, split, read, board.budget).items()
    }
    return Section(board, tabulate(board, attempts), shown)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="the test splits")
    parser.add_argument("--records", type=Path, nargs="+", required=True)
    parser.add_argument("--adversarial", type=Path, nargs="+", required=True)
    parser.add_argument("--evaluations", type=Path, nargs="*", default=[])
    add_output(parser, "--page")
    run_job(main, parser)
