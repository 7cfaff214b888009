"""R2's table: the smallest perturbations that each attack finds on each network.

--spec: a list of {"dataset", "model", "seed", "attack"}, one for each of --records, in order.
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.reading import read_records
from foolflow.tables.minimal import Attacked, tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    attacked = [
        Attacked(**entry, records=read_records(records))
        for entry, records in zip(arguments.spec, arguments.records, strict=True)
    ]
    write_table(tabulate(attacked), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--records", type=Path, nargs="+", required=True)
    add_table_options(parser)
    run_job(main, parser)
