"""Supervise a job from a small parent process, because a job that is killed by a signal cannot report it."""

import faulthandler
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

KILLED = (
    "a job was killed (SIGKILL). If nobody killed it on purpose, the machine ran out of memory: "
    "run fewer jobs at a time (--cores), lower batch_size, or use a machine with more memory"
)
CRASHED = "a job crashed in compiled code, of a library or your own; the end of its log shows where"
CRASHES = {signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV}
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def continue_in_child() -> None:
    """Fork, and return in the child. The parent waits, explains a fatal signal, and exits with the child's status.

    Call it before importing anything large.
    """
    child = os.fork()
    if child == 0:
        faulthandler.enable()
        gc.disable()  # until `run_job` enables it: garbage collection during the import of PyTorch takes 0.1 s
        return

    def pass_on(number: int, frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        ended_by = signal.Signals(-code)
        line = KILLED if ended_by == signal.SIGKILL else CRASHED if ended_by in CRASHES else None
        if line is not None:
            print(f"error: {line}", file=sys.stderr, flush=True)
        code = 128 - code
    os._exit(code)


def leave() -> NoReturn:
    """Exit at once, with status 0. A normal exit would take half a second to tear down PyTorch."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
