"""Redirect a job's output to its log, but keep access to the terminal from which the workflow was started."""

import os
import sys
from pathlib import Path

_terminal: int | None = None  # file descriptor; None: the output has not been redirected


def redirect_to(log: Path) -> None:
    """Redirect the output of this process and its children to `log`. `print_to_terminal` keeps the old one."""
    global _terminal
    if _terminal is not None:  # scripts/__main__.py has redirected already
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    _terminal = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # typed as any text stream


def print_to_terminal(line: str) -> None:
    """Write a line to the terminal from which the workflow was started. Without `redirect_to`, do nothing."""
    global _terminal
    if _terminal is None:
        return
    try:
        os.write(_terminal, f"{line}\n".encode())
    except OSError:  # the terminal was closed
        _terminal = None
