"""Write what only the programs write, for tests that need one file, or none."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from foolflow.attacks import running
from foolflow.data.adversarial import AdversarialSet
from foolflow.data.splits import Split, save_splits
from foolflow.data.tensors import write_tensors


def save_split(path: Path, split: Split) -> None:
    save_splits({path: split})


def save_set(path: Path, made: AdversarialSet) -> None:
    with write_tensors(path, made.layout) as writer:
        for name, tensor in made.tensors.items():
            writer.write(name, 0, tensor)


def run_attack(victim: Any, split: Split, entry: Mapping[str, Any], device: Any, **options: Any) -> AdversarialSet:
    """Run an attack, and return its set in memory."""
    with TemporaryDirectory() as folder:
        made = running.run_attack(victim, split, entry, device, Path(folder) / "set.safetensors", **options)
        return AdversarialSet({name: np.array(tensor) for name, tensor in made.tensors.items()})
