"""Send a job's output to its log, and keep a way to the terminal of whoever started the workflow."""

import os
import sys
from pathlib import Path

_terminal: int | None = None  # a file descriptor; None: the job has no log of its own


def redirect_to(log: Path) -> None:
    """From now on this process and its children write to `log`; `print_to_terminal` still reaches the old place."""
    global _terminal
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    _terminal = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def print_to_terminal(line: str) -> None:
    """Write a line where whoever started the workflow sees it; nowhere if the job has no log of its own."""
    global _terminal
    if _terminal is None:
        return
    try:
        os.write(_terminal, f"{line}\n".encode())
    except OSError:  # it was closed: nobody is watching any more
        _terminal = None
