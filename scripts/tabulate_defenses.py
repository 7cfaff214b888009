"""Defended victims under static, white-box, adaptive and black-box attacks, and the signs of gradient masking.

--spec: {"title", "dataset", "roles": the attacks by which masking is told, or null, "cells": a list of {"model",
"defense", "seed", "kind", "attack"}, one for each of --outcomes, in order}
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.reading import read_records
from foolflow.tables.reference import load_reference
from foolflow.tables.defenses import Cell, Roles, tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    spec = arguments.spec
    cells = [
        Cell(**entry, outcomes=read_records(outcomes))
        for entry, outcomes in zip(spec["cells"], arguments.outcomes, strict=True)
    ]
    roles = None if spec["roles"] is None else Roles(**spec["roles"])
    write_table(tabulate(spec["title"], spec["dataset"], cells, roles, load_reference(arguments.reference)), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--outcomes", type=Path, nargs="+", required=True, help="records or evaluations")
    parser.add_argument("--reference", type=Path, required=True)
    add_table_options(parser)
    run_job(main, parser)
