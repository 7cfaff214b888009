"""Collect the records of a run's jobs in a manifest."""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import add_output, job_parser, run_job
from foolflow.jobs.files import write_json
from foolflow.workflow.provenance import FOLDER, manifest, read_records


def main(arguments: argparse.Namespace) -> None:
    folder = arguments.results / FOLDER
    jobs = [record.relative_to(folder).with_suffix("").as_posix() for record in arguments.records]
    made = manifest(read_records(arguments.results), jobs)
    write_json(arguments.manifest, made)
    print(f"{len(made['artefacts']):,} artefacts of {len(made['jobs']):,} jobs")


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--records", type=Path, nargs="*", default=[], help="records of the last jobs of each study")
    add_output(parser, "--manifest")
    run_job(main, parser)
