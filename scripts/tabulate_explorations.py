"""Success and distortion of a targeted attack against each parameter that was varied.

--spec: {"title": ..., "fixed": the other parameters, "settings": a list of {"model", "parameter", "value"}, one for
each of --records}
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.reading import read_records
from foolflow.tables.explorations import Setting, tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    spec = arguments.spec
    settings = [
        Setting(**setting, records=read_records(records))
        for setting, records in zip(spec["settings"], arguments.records, strict=True)
    ]
    write_table(tabulate(spec["title"], settings, spec["fixed"]), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--records", type=Path, nargs="+", required=True)
    add_table_options(parser)
    run_job(main, parser)
