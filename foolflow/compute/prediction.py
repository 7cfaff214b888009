"""Run a model on many images, batch by batch."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from foolflow.compute.batch_size import default_batch_size
from foolflow.compute.generators import seeded
from foolflow.compute.memory import in_halves_if_needed
from foolflow.errors import InvalidInput

BATCH_SIZE = 500  # of small images; see `default_batch_size`

T = TypeVar("T")


def to_float(images: Tensor | np.ndarray, device: torch.device) -> Tensor:
    """Move images to `device`; convert 8-bit images to float32 in [0, 1] and leave float images as they are."""
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.array(images))  # a copy: the array may be a read-only part of a file
    images = images.to(device)
    return images.float() / 255 if images.dtype == torch.uint8 else images


def say(line: str) -> None:
    """Print a line at once, even to a file."""
    print(line, flush=True)


def in_batches(
    compute: Callable[[Tensor], T],
    images: Tensor | np.ndarray,
    device: torch.device,
    report: Callable[[str], None] = say,
) -> list[T]:
    """Call `compute` on each batch, as float32 on `device`, and return the results in order.

    images: uint8, or float32 in [0, 1], (N, C, H, W). An array that is mapped into memory is read batch by batch.
    report: called with one line each time that a batch does not fit in memory, and is halved.
    Random numbers that a model draws depend only on the batch's place.
    Raises InvalidInput if a single image does not fit.
    """

    def compute_rows(rows: range) -> T:
        with seeded("predict", rows.start, device=device):
            return compute(to_float(images[rows.start : rows.stop], device))

    size = default_batch_size(BATCH_SIZE, tuple(images.shape[1:]))
    every = range(len(images))
    batches = [every[first : first + size] for first in range(0, len(images), size)] or [every]
    return [result for rows in batches for result in in_halves_if_needed(compute_rows, rows, report)]


def checked_logits(logits: Tensor, count: int) -> Tensor:
    """Return `logits`. Raises InvalidInput unless they are finite, (count, classes)."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != count:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InvalidInput(f"the model returns {found} for {count} images; (N, classes) logits are needed")
    check_finite(logits)
    return logits


def check_finite(logits: Tensor) -> None:
    """Raise InvalidInput unless all logits (N, K) are finite. A class can be masked, but not by minus infinity."""
    if logits.isfinite().all():
        return
    masked = logits.isneginf().all(0).nonzero().flatten().tolist()
    hint = f"; to mask class {masked[0]}, use a finite number such as -1e9" if masked else ""
    raise InvalidInput(f"the model returns logits that are not finite{hint}")
