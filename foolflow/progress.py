"""How far a job is, and how long it will take: in its log, and, if it takes long, on the terminal."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

# The workflow sends a job's output to its log, and names here the file descriptor that still leads to the terminal.
TERMINAL = "FOOLFLOW_TERMINAL"
EVERY = {"log": 10.0, "terminal": 30.0}  # seconds


class Progress:
    """Tells how far `name` is, not more often than anyone wants to read.

    unit: what is counted, such as images.  say: writes a line to the log (default: on standard output).
    """

    def __init__(self, name: str, unit: str, say: Callable[[str], None] | None = None) -> None:
        self.say = say or partial(print, flush=True)
        self._name, self._unit = name, unit
        self._total, self._first = 1.0, 0.0
        self._start = time.monotonic()
        self._told = dict.fromkeys(EVERY, self._start)

    def begin(self, total: float, done: float = 0.0) -> None:
        """done: of `total`, what an earlier run did."""
        self._total, self._first = total, done
        self._start = time.monotonic()
        self._told = dict.fromkeys(EVERY, self._start)

    def at(self, done: float) -> None:
        now = time.monotonic()
        due = [where for where, every in EVERY.items() if now - self._told[where] >= every]
        if not due:
            return
        seconds = (now - self._start) / max(done - self._first, 1e-9) * (self._total - done)
        line = f"{self._name}: {_count(done)} of {_count(self._total)} {self._unit}, {_duration(seconds)} left"
        for where in due:
            self._told[where] = now
            if where == "log":
                self.say(line)
            else:
                tell_terminal(line)


@contextmanager
def rated(count: int) -> Iterator[None]:
    """Tells the log how long the block took for so many images, and how fast that is."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    print(f"{count:,} images in {seconds:.1f} s: {count / seconds:,.1f} images/s", flush=True)


def tell_terminal(line: str) -> None:
    """Where whoever started the workflow sees it; nowhere if there is no such place."""
    descriptor = os.environ.get(TERMINAL)
    if descriptor is None:
        return
    try:
        os.write(int(descriptor), f"{line}\n".encode())
    except OSError as error:  # it was closed: nobody looks any more
        print(f"(the terminal is gone: {error.strerror})", file=sys.stderr)
        del os.environ[TERMINAL]


def _count(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
