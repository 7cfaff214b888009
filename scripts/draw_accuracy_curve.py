"""Draw accuracy against epsilon from the table `fgsm_sweep`."""

import argparse
from pathlib import Path

import pandas as pd

from foolflow.jobs.command_line import run_job
from foolflow.figures.accuracy_curve import draw
from foolflow.figures.style import add_figure_options, save_figure


def main(arguments: argparse.Namespace) -> None:
    save_figure(draw(pd.read_csv(arguments.table)), arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="the CSV")
    add_figure_options(parser)
    run_job(main, parser)
