"""Freeze a model while it is attacked, and restore it afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import nn

# What is frozen now: by id, how many blocks hold it, and its state before the first of them. Threads that attack models
# with common parts share the entries, so that the last one to leave restores them.
_held: dict[int, tuple[int, Any]] = {}
_lock = Lock()


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode and freeze its parameters; on exit, restore every mode and flag.

    Blocks may be nested, and run in several threads at once: the outermost, or the last, restores the model.
    Gradients with respect to the images are enabled inside, even if the caller has disabled gradients.
    """
    modules, parameters = list(model.modules()), list(model.parameters())
    with _lock:
        for module in modules:
            _hold(module, module.training)
        for parameter in parameters:
            _hold(parameter, parameter.requires_grad)
        model.eval()
        for parameter in parameters:
            parameter.requires_grad_(False)
    try:
        with torch.enable_grad():
            yield
    finally:
        with _lock:
            for module in modules:
                if (training := _release(module)) is not None:
                    module.training = training
            for parameter in parameters:
                if (requires_grad := _release(parameter)) is not None:
                    parameter.requires_grad_(requires_grad)


def _hold(thing: Any, state: bool) -> None:
    count, before = _held.get(id(thing), (0, state))
    _held[id(thing)] = count + 1, before


def _release(thing: Any) -> bool | None:
    """Return the state to restore; None if another block still holds the thing."""
    count, before = _held.pop(id(thing))
    if count == 1:
        return bool(before)
    _held[id(thing)] = count - 1, before
    return None
