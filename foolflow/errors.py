"""The error that reports invalid input, and how other errors are recognised and shown in one line."""


class InvalidInput(ValueError):
    """The input cannot be used. The message is one line: what is wrong, where, and what to do."""


def in_one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def is_out_of_memory(error: BaseException) -> bool:
    """Recognised by name and wording: on a CPU PyTorch raises a plain RuntimeError, and code that draws does not
    import PyTorch."""
    if isinstance(error, RuntimeError):
        words = str(error)
        known = "can't allocate memory" in words or words == "could not create a primitive"  # the allocator's, oneDNN's
        return known or type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError)
