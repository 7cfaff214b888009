"""Defenses by the name that the config gives them."""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from foolflow.defenses.filtered import Filter
from foolflow.defenses.hardening import Hardening
from foolflow.defenses.kinds import TRAINING
from foolflow.errors import is_out_of_memory
from foolflow.workflow.plugins import failed, load_object

PGD_STEPS = 10  # of the attack that a val accuracy is measured with after each epoch


def load_filter(defense: Mapping[str, Any]) -> Filter:
    """The filter of a defense that has one: `method` (foolflow/defenses/<method>.py) or `python`, and `parameters`.

    Raises InvalidInput if there is no such filter.
    """
    parameters = defense.get("parameters", {})
    if "python" in defense:
        return partial(_call_users, load_object(defense["python"]), defense["python"], parameters)
    return partial(_built_in(defense["method"]), **parameters)


def load_hardening(defense: Mapping[str, Any]) -> Hardening | None:
    """What a defense does to the batches of a training; None if it does nothing."""
    if defense.get("method") not in TRAINING:
        return None
    harden, parameters = _built_in(defense["method"]), dict(defense.get("parameters", {}))
    return Hardening(
        train=partial(harden, **parameters),
        same=partial(harden, **parameters | {"share": 1.0}),
        pgd=partial(harden, epsilon=parameters["epsilon"], steps=PGD_STEPS, random_start=True),
    )


def _built_in(method: str) -> Callable[..., Any]:
    return getattr(importlib.import_module(f"foolflow.defenses.{method}"), method)


def _call_users(function: Callable[..., Any], name: str, parameters: Mapping[str, Any], images: Tensor) -> Any:
    try:
        return function(images.clone(), **parameters)  # it may edit in place what it is given
    except Exception as error:  # whatever the user's function raises
        tried_with_gradient = images.requires_grad and torch.is_grad_enabled()  # then Filtered tries again without
        if is_out_of_memory(error) or (tried_with_gradient and isinstance(error, (RuntimeError, TypeError))):
            raise
        raise failed(f"filter {name}", error) from error
