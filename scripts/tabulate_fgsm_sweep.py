"""R4's table: accuracy at each epsilon beside the published row, and the paired test against the clean images.

--spec: a list of {"dataset", "model", "attack", "seed"}, one for each of --records and --modified, in order.
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.reading import read_json, read_records
from foolflow.tables.reference import load_reference
from foolflow.tables.fgsm_sweep import Sweep, tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    sweeps = [
        Sweep(**entry, records=read_records(records), modified=read_json(modified))
        for entry, records, modified in zip(arguments.spec, arguments.records, arguments.modified, strict=True)
    ]
    write_table(tabulate(sweeps, load_reference(arguments.reference)), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--records", type=Path, nargs="+", required=True)
    parser.add_argument("--modified", type=Path, nargs="+", required=True, help="results of measure_images.py")
    parser.add_argument("--reference", type=Path, required=True)
    add_table_options(parser)
    run_job(main, parser)
