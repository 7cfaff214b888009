"""The one error that a user can cause and mend, and what else is told as one: a full disk, no memory."""

import errno
import os
import re
from pathlib import Path

FREE_SPACE = "free some space there, or name another folder (results: in the config), and run again"
PERMIT = "give yourself the right to it, or name another folder (results: in the config)"
REMEDIES = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: FREE_SPACE,
    errno.EFBIG: FREE_SPACE,
    errno.EROFS: PERMIT,
    errno.EACCES: PERMIT,
    errno.EPERM: PERMIT,
    errno.ENOENT: "check the path; of a result, run what makes it",
}


class InvalidInput(ValueError):
    """What was given cannot be used. The message is one line: what is wrong, where, and what to do."""


def in_one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def is_out_of_memory(error: BaseException) -> bool:
    """Known by name and words: what draws does not import PyTorch, which raises plain RuntimeErrors on a CPU."""
    if isinstance(error, RuntimeError):
        words = str(error)
        known = "can't allocate memory" in words or words == "could not create a primitive"  # the allocator's, oneDNN's
        return known or type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError)


def told(error: BaseException, path: Path | None = None) -> InvalidInput | None:
    """What the machine refused, as the user's to mend; None of any other error, whose traceback is wanted.

    path: the file that was being written; None: the one that the error names.
    """
    if is_out_of_memory(error):
        return InvalidInput(
            f"out of memory ({in_one_line(error)[:200]}); lower the batch_size, or run where there is more of it"
        )
    code = _system_code(error)
    if code is None:
        return None
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    file = path or named or "a file"
    verb = "" if path is None else " cannot be written"
    remedy = REMEDIES.get(code, "mend that and run again")
    return InvalidInput(f"{file}{verb}: {os.strerror(code)}; {remedy}")


def _system_code(error: BaseException) -> int | None:
    """The operating system's number of what went wrong; safetensors has it in its message only."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error)) if type(error).__name__ == "SafetensorError" else None
    return int(found[1]) if found else None
