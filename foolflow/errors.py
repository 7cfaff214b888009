"""InvalidInput, the error for anything the user can fix, and helpers that recognise and shorten other errors."""


class InvalidInput(ValueError):
    """Invalid input. The message is one line: what is wrong, where, and what to do."""


def in_one_line(error: BaseException) -> str:
    """Return the error's type and message on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that memory ran out.

    The check goes by class name and message: on a CPU PyTorch raises a plain RuntimeError, and this module must not
    import PyTorch.
    """
    if isinstance(error, RuntimeError):
        words = str(error)
        parts = ("can't allocate memory", "STATUS_ALLOC_FAILED")  # of the allocator; of cuBLAS and cuDNN
        known = any(part in words for part in parts) or words == "could not create a primitive"  # of oneDNN
        return known or type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError)
