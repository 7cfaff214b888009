"""Bring the published files of a data set into a folder and check them.

The environment variable FOOLFLOW_DATA_MIRROR may name a folder to look into before the network is asked.
"""

import argparse
import os
from pathlib import Path

from foolflow.jobs.command_line import add_output, run_job
from foolflow.data.fetch import fetch
from foolflow.data.sources import DOWNLOADS


def main(arguments: argparse.Namespace) -> None:
    mirror = os.environ.get("FOOLFLOW_DATA_MIRROR")
    fetch(arguments.source, arguments.raw, Path(mirror) if mirror else None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, choices=sorted(DOWNLOADS))
    add_output(parser, "--raw", help="the folder to fill")
    run_job(main, parser)
