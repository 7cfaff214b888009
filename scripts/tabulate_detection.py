"""The table of the detectors: what each finds of the clean and of the adversarial images.

--spec: {"false_positives": ..., "detectors": a list of {"dataset", "model", "seed", "detector", "attacks": a list of
{"attack", "adaptive"}}}, one for each of --clean, in order; --scores: their attacks', in order.
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.tables.reference import load_reference
from foolflow.statistics.scored import load_detectors
from foolflow.tables.detection import tabulate
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    detectors = load_detectors(arguments.spec["detectors"], arguments.clean, arguments.scores)
    reference = load_reference(arguments.reference)
    write_table(tabulate(detectors, arguments.spec["false_positives"], reference), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--clean", type=Path, nargs="+", required=True)
    parser.add_argument("--scores", type=Path, nargs="+", required=True)
    parser.add_argument("--reference", type=Path, required=True)
    add_table_options(parser)
    run_job(main, parser)
