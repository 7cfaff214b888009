"""Download or copy the published files of a data set and verify their checksums."""

import argparse
from pathlib import Path

from foolflow.data.fetch import fetch
from foolflow.data.sources import DOWNLOADS
from foolflow.jobs.command_line import add_output, job_parser, run_job


def main(arguments: argparse.Namespace) -> None:
    first = DOWNLOADS[arguments.source].files[0]
    raw = arguments.files[0].parents[len(Path(first).parts) - 1]  # the folder that the files are in
    fetch(arguments.source, raw, Path(arguments.mirror) if arguments.mirror else None)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--source", required=True, choices=sorted(DOWNLOADS))
    parser.add_argument("--mirror", default="", help="a folder with the published files, tried before the network")
    add_output(parser, "--files", nargs="+", help="the files to fetch, all of the data set's")
    run_job(main, parser)
