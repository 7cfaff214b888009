"""Seed PyTorch's global generators for the duration of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from foolflow.compute.seeds import derived_seed


@contextmanager
def seeded(*names: str | int, device: torch.device) -> Iterator[None]:
    """Seed the generators of the CPU and of `device` from `names`, and restore them afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(*names))
        yield
