"""Count the images that pass through a model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def passes_counted(model: nn.Module, report: Callable[[int], None]) -> Iterator[None]:
    """Call `report` before each forward pass in the block, with the number of images that have passed so far."""
    count = 0

    def before(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        report(count)
        if arguments and isinstance(arguments[0], Tensor):
            count += len(arguments[0])

    handle = model.register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()
