"""R1's table: accuracy and attack success of each network, beside the published ones.

--spec: {"title": ..., "victims": a list of {"dataset", "model", "seed"}, one for each of --metrics and --records}
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.reading import read_json, read_records
from foolflow.tables.reference import load_reference
from foolflow.tables.stadv import Attacked, tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    victims = zip(arguments.spec["victims"], arguments.metrics, arguments.records, strict=True)
    attacked = [
        Attacked(**victim, metrics=read_json(metrics), records=read_records(records))
        for victim, metrics, records in victims
    ]
    write_table(tabulate(arguments.spec["title"], attacked, load_reference(arguments.reference)), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--metrics", type=Path, nargs="+", required=True)
    parser.add_argument("--records", type=Path, nargs="+", required=True)
    parser.add_argument("--reference", type=Path, required=True)
    add_table_options(parser)
    run_job(main, parser)
