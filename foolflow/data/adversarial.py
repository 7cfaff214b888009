"""An adversarial set as the workflow keeps it: images, and what only their attack knows, in one safetensors file."""

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
    """tensors: R rows each, row i about image i. With several epsilons, all images at the first one come first.

    images: float32 (R, C, H, W) in [0, 1].  index: int64, places in the test split.
    epsilon: float64, NaN: the attack has none.  target: int64, -1: none.
    iterations, gradient_evaluations: int64.
    Others are details of the attack, such as stAdv's `flow`, (R, 2, H, W), and `flow_loss`, (R,).
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
    """Raises InvalidInput if the file is missing or damaged, or is no adversarial set."""
    tensors = read_tensors(path)
    missing = [name for name in REQUIRED if name not in tensors]
    if missing:
        raise InvalidInput(f"{path} is not an adversarial set: it has no {', '.join(missing)}; run the attack again")
    if len({tensor.shape[:1] for tensor in tensors.values()}) > 1:
        shapes = ", ".join(f"{name} {tensor.shape}" for name, tensor in tensors.items())
        raise InvalidInput(f"{path} is not an adversarial set: rows are missing ({shapes}); run the attack again")
    return AdversarialSet(tensors)
