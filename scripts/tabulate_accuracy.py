"""The accuracy of trained victims beside the published ones.

--spec: {"title": ..., "victims": a list of {"dataset", "model", "seed"}, one for each of --metrics, in order}
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.reading import read_json
from foolflow.tables.reference import load_reference
from foolflow.tables.accuracy import Victim, tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    victims = [
        Victim(**entry, metrics=read_json(metrics))
        for entry, metrics in zip(arguments.spec["victims"], arguments.metrics, strict=True)
    ]
    write_table(tabulate(arguments.spec["title"], victims, load_reference(arguments.reference)), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--metrics", type=Path, nargs="+", required=True)
    parser.add_argument("--reference", type=Path, required=True)
    add_table_options(parser)
    run_job(main, parser)
