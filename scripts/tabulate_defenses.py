"""R3's table: defended victims on adversarial images that were made without knowing their defense.

--spec: {"dataset": ..., "cells": a list of {"defense", "attack", "seed"}, one for each of --evaluations, in order}
"""

import argparse
from pathlib import Path

import pandas as pd

from foolflow.command_line import job_parser, run_job
from foolflow.reference import load_reference
from foolflow.tables.defenses import Cell, tabulate_static
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    cells = [
        Cell(**entry, evaluation=pd.read_parquet(evaluation))
        for entry, evaluation in zip(arguments.spec["cells"], arguments.evaluations, strict=True)
    ]
    write_table(tabulate_static(arguments.spec["dataset"], cells, load_reference(arguments.reference)), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--evaluations", type=Path, nargs="+", required=True)
    parser.add_argument("--reference", type=Path, required=True)
    add_table_options(parser)
    run_job(main, parser)
