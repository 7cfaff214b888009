"""How many images a second each attack of the study `minimal` got through.

--spec: a list of {"dataset", "model", "seed", "attack"}, one for each of --runs, in order.
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.reading import read_json
from foolflow.tables.minimal_speed import Run, tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    runs = [Run(**entry, run=read_json(run)) for entry, run in zip(arguments.spec, arguments.runs, strict=True)]
    write_table(tabulate(runs), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="what attack.py wrote about each run")
    add_table_options(parser)
    run_job(main, parser)
