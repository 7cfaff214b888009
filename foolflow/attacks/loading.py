"""Load the attacks that a config names."""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, conclude, without_graph
from foolflow.attacks.kinds import size_name
from foolflow.compute.freezing import frozen
from foolflow.errors import InvalidInput, is_out_of_memory
from foolflow.workflow.plugins import failed, load_object

Attack = Callable[..., Adversarial]  # called with (model, images, labels) and, if targeted, targets=...


def load_attack(entry: Mapping[str, Any], size: float | list[float] | None) -> Attack:
    """Return the attack of a config entry with its parameters bound.

    entry: `method` (foolflow/attacks/<method>.py, or library:attack) or `python` (path/to/file.py:function), and
        `parameters`.
    size: replaces the epsilon or the strength among the parameters, unless it is None.
    A user's function is called as function(model, images, labels, **parameters), with targets=... if the config has
    targets. It returns an Adversarial or just the adversarial images.
    """
    parameters = dict(entry.get("parameters", {}))
    if size is not None:
        parameters[size_name(entry)] = size
    if "function" in entry:  # of a caller of `foolflow.evaluate`
        name = getattr(entry["function"], "__name__", "function")
        return partial(_call_users, entry["function"], name, parameters)
    if "python" in entry:
        return partial(_call_users, load_object(entry["python"]), entry["python"], parameters)
    method = entry["method"]
    if ":" in method:  # imported by name, so that the digests of other attacks do not include it
        return importlib.import_module("foolflow.attacks.peers.running").load_peer(method, parameters)
    return partial(built_in(method), **parameters)


def built_in(method: str) -> Attack:
    """Return one of Foolflow's attacks, foolflow/attacks/<method>.py. Raises InvalidInput if there is none."""
    module = f"foolflow.attacks.{method}"
    try:
        return getattr(importlib.import_module(module), method)
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != module:  # a library that the attack needs
            raise
        available = ", ".join(importlib.import_module("foolflow.attacks").__all__)
        raise InvalidInput(f"attacks has no {method!r}; available: {available}") from error


def _call_users(
    function: Callable,
    name: str,
    parameters: Mapping[str, Any],
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    **targets: Tensor,
) -> Adversarial:
    copies = {key: tensor.clone() for key, tensor in targets.items()}  # the function may modify its arguments in place
    try:
        with frozen(model):
            made = function(model, images.clone(), labels.clone(), **copies, **parameters)
    except Exception as error:  # the user's function may raise anything
        if is_out_of_memory(error):
            raise  # the caller retries with fewer images
        raise failed(f"attack {name}", error) from error
    if isinstance(made, Adversarial):
        return without_graph(_checked(made, name, len(images)))
    if not isinstance(made, Tensor) or made.shape != images.shape or made.dtype != images.dtype:
        found = f"{made.dtype} {tuple(made.shape)}" if isinstance(made, Tensor) else type(made).__name__
        raise InvalidInput(
            f"attack {name} returns {found}; "
            f"expected an Adversarial or {images.dtype} images of shape {tuple(images.shape)}"
        )
    unknown = torch.zeros_like(labels)
    return conclude(model, made.detach(), labels, targets.get("targets"), unknown, unknown)


def _checked(made: Adversarial, name: str, count: int) -> Adversarial:
    """Check that a user's Adversarial has one row per image. `run_attack` checks the images themselves."""
    if not isinstance(made.details, Mapping):
        raise InvalidInput(f"attack {name} returns details {type(made.details).__name__}; expected a dict of tensors")
    fields = [(field, tensor) for field, tensor in vars(made).items() if field != "details"]
    for field, tensor in (*fields, *made.details.items()):
        if not isinstance(tensor, Tensor) or tensor.ndim < 1 or len(tensor) != count:
            found = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
            raise InvalidInput(f"attack {name} returns {field} {found}; expected one row for each of {count} images")
    return made
