"""What to do where a batch does not fit in memory: take a smaller one."""

from collections.abc import Callable
from typing import TypeVar

import torch

from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory

T = TypeVar("T")


def as_memory_allows(attempt: Callable[[range], T], batch: range, report: Callable[[str], None]) -> list[T]:
    """What `attempt` makes of a batch: of all at once, or, where memory does not suffice, of ever smaller parts."""
    try:
        return [attempt(batch)]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        if len(batch) == 1:
            needed = f"a single image does not fit in memory ({in_one_line(error)[:200]})"
            raise InvalidInput(f"{needed}; take a smaller network, or a machine with more memory") from error
    # Only here, when the error is gone, are the tensors free that its traceback held.
    torch.cuda.empty_cache()
    report(f"{len(batch):,} images at once do not fit in memory; trying halves")
    half = len(batch) // 2
    return [made for part in (batch[:half], batch[half:]) for made in as_memory_allows(attempt, part, report)]
