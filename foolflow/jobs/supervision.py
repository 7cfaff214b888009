"""Watch over a job from a small process beside it, since a job that a signal ends cannot say so itself."""

import faulthandler
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

KILLED = (
    "a job was killed (SIGKILL). If nobody did that on purpose, the machine ran out of memory: "
    "run fewer jobs at a time (--cores), lower batch_size, or use a machine with more memory"
)
CRASHED = "a job crashed in compiled code, in a library or in your own; the end of its log says where"
CRASHES = {signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV}
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def continue_in_child() -> None:
    """Return in a child process. The parent waits for it, explains a deadly signal, and exits as the child did.

    Call it before anything large is imported.
    """
    child = os.fork()
    if child == 0:
        faulthandler.enable()
        gc.disable()  # until the job begins (`run_job`): collecting while PyTorch is imported takes a tenth of a second
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
    """End a job that has done its work. The interpreter would take half a second to tear PyTorch down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
