"""Draw loss and accuracy over the epochs of a training.

--spec: {"title": ...}
"""

import argparse
from pathlib import Path

import pandas as pd

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.figures.training_curves import draw


def main(arguments: argparse.Namespace) -> None:
    save_figure(draw(arguments.spec["title"], pd.read_csv(arguments.history)), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--history", type=Path, required=True)
    add_figure_options(parser)
    run_job(main, parser)
