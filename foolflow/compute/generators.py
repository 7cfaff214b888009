"""Seed the global generators for the duration of a block."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from foolflow.compute.seeds import derived_seed


@contextmanager
def seeded(*names: str | int, device: torch.device) -> Iterator[None]:
    """Seed the generators of PyTorch (on the CPU and on `device`), NumPy and Python, and restore them afterwards."""
    seed = derived_seed(*names)
    kept_python, kept_numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(kept_python)
            np.random.set_state(kept_numpy)
