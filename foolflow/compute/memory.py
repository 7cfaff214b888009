"""Split batches that do not fit in memory."""

from collections.abc import Callable
from typing import TypeVar

import torch

from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory

T = TypeVar("T")


def in_halves_if_needed(attempt: Callable[[range], T], batch: range, report: Callable[[str], None]) -> list[T]:
    """Run `attempt` on a batch, or on ever smaller parts if memory runs out. Return the results in order.

    report: called with one line each time a batch is halved.
    Raises InvalidInput if a single image does not fit in memory.
    """
    try:
        return [attempt(batch)]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        if len(batch) == 1:
            problem = f"a single image does not fit in memory ({in_one_line(error)[:200]})"
            raise InvalidInput(f"{problem}; use a smaller network or a machine with more memory") from error
    # The traceback keeps the tensors of the failed attempt alive, so memory is free only after the except block.
    torch.cuda.empty_cache()
    report(f"{len(batch):,} images at once do not fit in memory; trying halves")
    half = len(batch) // 2
    return [result for part in (batch[:half], batch[half:]) for result in in_halves_if_needed(attempt, part, report)]
