"""Adversarial sets: images and what only their attack knows about them, in one safetensors file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from foolflow.data.reading import read_tensors
from foolflow.errors import InvalidInput
from foolflow.jobs.files import whole_file

REQUIRED = ("images", "index", "epsilon", "target", "iterations", "gradient_evaluations")


@dataclass(frozen=True)
class AdversarialSet:
    """An adversarial set of R images. Each tensor has R rows. With several epsilons, the rows are grouped by epsilon.

    images: float32 (R, C, H, W) in [0, 1].  index: int64 (R,), in the test split.
    epsilon: float64 (R,), NaN if the attack has none.  target: int64 (R,), -1 if the attack has none.
    iterations, gradient_evaluations: int64 (R,).
    All other tensors are details of the attack, such as stAdv's `flow` (R, 2, H, W) and `flow_loss` (R,).
    """

    tensors: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.tensors["images"])

    @property
    def details(self) -> dict[str, np.ndarray]:
        return {name: tensor for name, tensor in self.tensors.items() if name not in REQUIRED}

    def save(self, path: Path) -> None:
        with whole_file(path) as partial:
            save_file({name: np.ascontiguousarray(tensor) for name, tensor in self.tensors.items()}, partial)


def load_set(path: Path) -> AdversarialSet:
    """Load an adversarial set. Raises InvalidInput if the file is missing, damaged, or not an adversarial set."""
    tensors = read_tensors(path)
    missing = [name for name in REQUIRED if name not in tensors]
    if missing:
        raise InvalidInput(f"{path} is not an adversarial set: it has no {', '.join(missing)}; run the attack again")
    if len({tensor.shape[:1] for tensor in tensors.values()}) > 1:
        shapes = ", ".join(f"{name} {tensor.shape}" for name, tensor in tensors.items())
        raise InvalidInput(f"{path} is not an adversarial set: rows are missing ({shapes}); run the attack again")
    return AdversarialSet(tensors)
