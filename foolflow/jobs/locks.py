"""Let only one job at a time produce an artefact, even if an orphaned job of a killed run is still working on it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from foolflow.jobs.terminal import print_to_terminal

FOLDER = Path(".snakemake/foolflow/locks")  # in the working directory, next to Snakemake's own state


@contextmanager
def only_job_on(output: Path) -> Iterator[bool]:
    """Lock `output` for the block, after waiting for any other process that holds the lock.

    Yields whether it had to wait. The kernel releases the lock when its process ends, for whatever reason. If the file
    system has no locks, or no file can be created, the block runs without a lock.
    """
    name = hashlib.sha256(str(output.absolute()).encode()).hexdigest()[:32]
    lock = FileLock(FOLDER / f"{name}.lock")
    waited = False
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            waited = True
            line = f"{output}: another job is producing it; waiting for that job to end"
            print(line, flush=True)
            print_to_terminal(line)
            lock.acquire()
    except (OSError, NotImplementedError):
        yield False
        return
    try:
        yield waited
    finally:
        lock.release()
