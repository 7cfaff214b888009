"""Turn errors that the user can fix into one line: a full disk, too little memory, an exception in their own code."""

import errno
import os
import re
import traceback
from pathlib import Path

from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory

FREE_SPACE = "free some space there or choose another folder (results: in the config), then run again"
PERMIT = "change its permissions or choose another folder (results: in the config), then run again"
REMEDIES = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: FREE_SPACE,
    errno.EFBIG: FREE_SPACE,
    errno.EROFS: PERMIT,
    errno.EACCES: PERMIT,
    errno.EPERM: PERMIT,
    errno.ENOENT: "check the path; if it is a result, run the rule that makes it",
}

_user_files: set[Path] = set()  # absolute paths


def register_user_file(file: Path) -> None:
    """Mark `file` as the user's code, so that its errors are reported in one line."""
    _user_files.add(file.absolute())


def system_error(error: BaseException, path: Path | None = None) -> InvalidInput | None:
    """Turn a system error into a message the user can act on. Return None for other errors, which keep their traceback.

    path: the file being written (default: the file that the error names).
    """
    if is_out_of_memory(error):
        return InvalidInput(
            f"out of memory ({in_one_line(error)[:200]}); lower batch_size or use a machine with more memory"
        )
    code = _error_number(error)
    if code is None:
        return None
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    if path is None and named is None:
        return InvalidInput(f"{in_one_line(error)}; {REMEDIES.get(code, 'fix that and run again')}")
    file = path or named
    verb = "" if path is None else " cannot be written"
    remedy = REMEDIES.get(code, "fix that and run again")
    return InvalidInput(f"{file}{verb}: {os.strerror(code)}; {remedy}")


def _error_number(error: BaseException) -> int | None:
    """Return the operating system's error number. The errors of safetensors contain it only in the message."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error)) if type(error).__name__ == "SafetensorError" else None
    return int(found[1]) if found else None


def user_code_error(error: BaseException) -> InvalidInput | None:
    """Report an error raised in the user's code, or called from it, in one line. Return None for other errors."""
    where = line_in_user_file(error)
    return InvalidInput(f"your own code failed: {in_one_line(error)}{where}") if where else None


def line_in_user_file(error: BaseException) -> str:
    """Return ' (file, line N)' for the innermost line of the user's code, or an empty string."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).absolute() in _user_files]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
