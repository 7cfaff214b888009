"""What each mistake of a failed reproduction cost, one mended after the other.

--spec: {"title": ..., "steps": a list of {"change", "model", "attack", "any_class", "clean_errors"}, one for each of
--records}
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.reading import read_records
from foolflow.tables.post_mortem import Step, tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    steps = [
        Step(**step, records=read_records(records))
        for step, records in zip(arguments.spec["steps"], arguments.records, strict=True)
    ]
    write_table(tabulate(arguments.spec["title"], steps), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--records", type=Path, nargs="+", required=True)
    add_table_options(parser)
    run_job(main, parser)
