"""Leave the modes of PyTorch that the caller is in, so that an attack computes the same wherever it is called from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn

FLOAT, DEVICE = torch.float32, torch.device("cpu")

# The default type belongs to the process, not to the thread: while one thread has changed it, others wait.
_changing = RLock()
_is_changed = False


@dataclass(frozen=True)
class Defaults:
    """The type and the device of tensors that are created without stating them."""

    dtype: torch.dtype
    device: torch.device

    @property
    def usual(self) -> bool:
        return self.dtype == FLOAT and self.device.type == DEVICE.type

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Use these defaults inside the block."""
        with ExitStack() as stack:
            if torch.get_default_dtype() != self.dtype:
                stack.callback(torch.set_default_dtype, torch.get_default_dtype())
                torch.set_default_dtype(self.dtype)
            if torch.get_default_device() != self.device:
                stack.enter_context(self.device)
            yield


@contextmanager
def usual_modes(device: torch.device) -> Iterator[Defaults]:
    """Leave inference mode, autocast (on `device`) and the detection of anomalies, which stops at the first gradient
    that is not finite; make float32 and the CPU the defaults for new tensors.

    Yields the caller's defaults.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if torch.is_anomaly_enabled():
            stack.enter_context(torch.autograd.set_detect_anomaly(False))
        yield stack.enter_context(_usual_defaults())


@contextmanager
def _usual_defaults() -> Iterator[Defaults]:
    global _is_changed
    found = Defaults(torch.get_default_dtype(), torch.get_default_device())
    if found.usual and not _is_changed:
        yield found
        return
    with _changing:
        found = Defaults(torch.get_default_dtype(), torch.get_default_device())
        before, _is_changed = _is_changed, True
        try:
            with Defaults(FLOAT, DEVICE).restored():
                yield found
        finally:
            _is_changed = before


class InDefaults(nn.Module):
    """A network that runs with the given defaults, those of its owner. Inside, attacks run with the usual ones."""

    def __init__(self, network: Callable[[Tensor], Any], defaults: Defaults) -> None:
        super().__init__()
        self.network, self.defaults = network, defaults

    def of(self, part: Callable[[Tensor], Any]) -> "InDefaults":
        """Return a part of the network that runs with the same defaults."""
        return InDefaults(part, self.defaults)

    def forward(self, images: Tensor) -> Any:
        with self.defaults.restored():
            return self.network(images)


def in_defaults(network: nn.Module, defaults: Defaults) -> nn.Module:
    """Return the network itself if the defaults are the usual ones, and otherwise an `InDefaults`."""
    return network if defaults.usual else InDefaults(network, defaults)
