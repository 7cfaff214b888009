"""The environment that the workflow hands to its jobs."""

import os
import sys
from pathlib import Path

from foolflow.jobs.progress import TERMINAL

TERMINAL_DESCRIPTOR = 3  # opened by rules/before_job.sh


def prepare_jobs(root: Path, data_mirror: str | None) -> None:
    """Jobs run the interpreter that runs Snakemake, activated or not, and the `foolflow` below `root`.

    data_mirror: reaches the jobs this way, and not as a param, since it is no part of any result.
    """
    _prepend("PATH", Path(sys.executable).parent)
    _prepend("PYTHONPATH", root)
    os.environ[TERMINAL] = str(TERMINAL_DESCRIPTOR)
    if data_mirror:
        os.environ["FOOLFLOW_DATA_MIRROR"] = data_mirror


def _prepend(variable: str, path: Path) -> None:
    os.environ[variable] = os.pathsep.join(filter(None, [str(path), os.environ.get(variable)]))
