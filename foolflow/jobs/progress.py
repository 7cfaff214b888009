"""Report the progress of a job and the time left, in its log and, for long jobs, on the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from foolflow.jobs.terminal import print_to_terminal

EVERY = {"log": 10.0, "terminal": 30.0}  # seconds


class Progress:
    """Progress reports of the job `name`, at most one every few seconds.

    unit: what is counted, such as images.  write: writes a line to the log (default: to standard output).
    """

    def __init__(self, name: str, unit: str, write: Callable[[str], None] | None = None) -> None:
        self.write = write or partial(print, flush=True)
        self._name, self._unit = name, unit
        self._total, self._first = 1.0, 0.0
        self._start = time.monotonic()
        self._reported = dict.fromkeys(EVERY, self._start)

    def begin(self, total: float, done: float = 0.0) -> None:
        """Start the clock. done: the part of `total` that an earlier run has completed."""
        self._total, self._first = total, done
        self._start = time.monotonic()
        self._reported = dict.fromkeys(EVERY, self._start)

    def update(self, done: float) -> None:
        """Report that `done` of the total is completed, if a report is due."""
        now = time.monotonic()
        due = [where for where, every in EVERY.items() if now - self._reported[where] >= every]
        if not due:
            return
        seconds = (now - self._start) / max(done - self._first, 1e-9) * (self._total - done)
        line = f"{self._name}: {_count(done)} of {_count(self._total)} {self._unit}, {duration(seconds)} left"
        for where in due:
            self._reported[where] = now
            (self.write if where == "log" else print_to_terminal)(line)


@contextmanager
def log_throughput(count: int) -> Iterator[None]:
    """Log the time that the block takes for `count` images, and the images per second."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    print(f"{count:,} images in {seconds:.1f} s: {count / seconds:,.1f} images/s", flush=True)


def _count(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
