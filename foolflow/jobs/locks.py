"""One job at a time makes an artefact, even when an orphan of an earlier, killed run is still working on it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from foolflow.jobs.terminal import print_to_terminal

FOLDER = Path(".snakemake/foolflow/locks")  # in the working directory, where Snakemake keeps its own state


@contextmanager
def only_job_on(output: Path) -> Iterator[bool]:
    """Hold `output` within the block; entering waits until no other process holds it.

    Yields whether another process had to be waited for. The kernel releases the lock when its process ends, however
    that happens. On a file system without locks, and where no file can be created, the block runs without one.
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
            line = f"{output}: another job is making it; waiting for that job to end"
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
