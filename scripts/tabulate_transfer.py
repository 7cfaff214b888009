"""How well the adversarial images of each victim fool every other one.

--spec: {"matrix": {"name", "dataset", "attack"}, "attempts": a list of {"model", "defense", "seed", "attack",
"source"}, one for each of --records, in order; those whose source is not null have one of --evaluations each}
"""

import argparse
from pathlib import Path

from foolflow.statistics.attempts import load_attempts
from foolflow.jobs.command_line import job_parser, run_job
from foolflow.tables.transfer import tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    attempts = load_attempts(arguments.spec["attempts"], arguments.records, arguments.evaluations)
    write_table(tabulate(**arguments.spec["matrix"], attempts=attempts), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--records", type=Path, nargs="+", required=True)
    parser.add_argument("--evaluations", type=Path, nargs="*", default=[])
    add_table_options(parser)
    run_job(main, parser)
