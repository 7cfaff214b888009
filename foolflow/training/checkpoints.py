"""Checkpoints, from which an interrupted training resumes: one safetensors file, replaced atomically each epoch."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from foolflow.jobs.files import whole_file

Groups = Mapping[str, Mapping[str, Tensor]]


def save_checkpoint(path: Path, groups: Groups, progress: Mapping[str, Any]) -> None:
    """Write a checkpoint. groups: named sets of named tensors.  progress: anything that JSON can hold."""
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    with whole_file(path) as partial:
        save_file(tensors, partial, metadata={"progress": json.dumps(progress)})


def load_checkpoint(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
    """Return the groups and the progress of a checkpoint, or None if there is no readable checkpoint."""
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            progress = json.loads(file.metadata()["progress"])
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                group, name = key.split("/", 1)
                groups.setdefault(group, {})[name] = file.get_tensor(key)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return groups, progress


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return dict(_named_state(optimizer.state_dict()["state"]))


def _named_state(state: Mapping[int, Mapping[str, Tensor | None]]) -> Iterator[tuple[str, Tensor]]:
    for index, tensors in state.items():
        for name, tensor in tensors.items():
            if tensor is not None:  # SGD without momentum stores None
                yield f"{index}.{name}", tensor


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the result of `optimizer_tensors` in an optimizer of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, restored in optimizer.state.items():
        for name, tensor in restored.items():
            if tensor.shape == parameter.shape:  # fused optimizers also need the memory layout of the parameter
                restored[name] = torch.empty_like(parameter).copy_(tensor)
