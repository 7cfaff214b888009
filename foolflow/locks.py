"""One job at a time makes an artefact, also when a job of an earlier, killed run still works on it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foolflow.progress import tell_terminal

DONE = b"done\n"


@contextmanager
def only_job_on(output: Path, job: str) -> Iterator[bool]:
    """Within the block no other process is in such a block for the same `output`; entering waits for it to leave.

    job: what is to be done, in full, or empty if that cannot be said.
    Yields whether the process that was waited for has done that very job, without an error.
    The lock is a file beside `output`, held by the kernel, so it ends with its process, however that ends. Where there
    can be none (a file system without locks, a folder that cannot be written to), the block runs without.
    """
    path = output.with_name(f".{output.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquire(path)
    except OSError:  # the job will say it better, if it cannot write there either
        yield False
        return
    try:
        if job and os.pread(lock, os.fstat(lock).st_size, 0) == DONE + job.encode():
            yield True
            return
        while not _is_at(lock, path):  # whoever held it has removed the file: another may hold a new one
            os.close(lock)
            lock = _acquire(path)
        yield False
        with suppress(OSError):  # for those that wait; without it, they do the same again
            os.pwrite(lock, DONE + job.encode(), 0)
    finally:
        if _is_at(lock, path):
            path.unlink()
        os.close(lock)


def _acquire(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waits = f"another job makes the same; waiting for it to end ({path})"
            print(waits, flush=True)
            tell_terminal(waits)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _is_at(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False
