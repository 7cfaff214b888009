"""The environment that the workflow hands to its jobs."""

import os
import signal
import sys
from pathlib import Path

from foolflow.progress import TERMINAL

TERMINAL_DESCRIPTOR = 3
KILLED = (
    "a job was killed (SIGKILL); if by nobody, then by the kernel, which had no memory left: run fewer at a time"
    " (--cores), lower the batch_size, or run where there is more of it"
)
# Before each job's command. Its own output goes to its log; what a reader should see while it runs goes where
# Snakemake's does. A job that is killed cannot say so itself.
SHELL_PREFIX = (
    f"exec {TERMINAL_DESCRIPTOR}>&2; "
    f"trap 'if [ $? = {128 + signal.SIGKILL} ]; then echo \"error: {KILLED}\" >&{TERMINAL_DESCRIPTOR}; fi' EXIT; "
)


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
