"""Draw what each mistake of a failed reproduction cost, as a waterfall.

--spec: {"title": ...}
"""

import argparse
from pathlib import Path

import pandas as pd

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.figures.waterfall import draw


def main(arguments: argparse.Namespace) -> None:
    table = pd.read_csv(arguments.table)
    save_figure(draw(arguments.spec["title"], table), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="the CSV")
    add_figure_options(parser)
    run_job(main, parser)
