"""Load defenses by their name in the config."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from foolflow.defenses.filtered import Filter
from foolflow.defenses.hardening import Hardening
from foolflow.defenses.kinds import TRAINING
from foolflow.errors import InvalidInput, is_out_of_memory
from foolflow.workflow.plugins import failed, load_object

PGD_STEPS = 10  # steps of the PGD attack that measures a val accuracy after each epoch


def load_filter(defense: Mapping[str, Any]) -> Filter:
    """Return the filter of a defense: its `method` (foolflow/defenses/<method>.py) or `python`, with `parameters`.

    Raises InvalidInput if there is no such filter, or if it does not take the parameters.
    """
    parameters = defense.get("parameters", {})
    if "python" in defense:
        return partial(_call_user_filter, load_object(defense["python"]), defense["python"], parameters)
    method = defense.get("method")
    if not isinstance(method, str) or method in TRAINING:
        raise InvalidInput(f"defense {dict(defense)} is no filter; give the `method` or the `python` of one")
    images_filter = _built_in(method)
    try:
        inspect.signature(images_filter).bind(None, **parameters)
    except TypeError as error:
        raise InvalidInput(f"defense {method}: {error}") from error
    return partial(images_filter, **parameters)


def load_hardening(defense: Mapping[str, Any]) -> Hardening | None:
    """Return the attacks of an adversarial training; None for a defense that does not change the training images."""
    if defense.get("method") not in TRAINING:
        return None
    harden, parameters = _built_in(defense["method"]), dict(defense.get("parameters", {}))
    return Hardening(
        train=partial(harden, **parameters),
        same=partial(harden, **parameters | {"share": 1.0}),
        pgd=partial(harden, epsilon=parameters["epsilon"], steps=PGD_STEPS, random_start=True),
    )


def _built_in(method: str) -> Callable[..., Any]:
    try:
        return getattr(importlib.import_module(f"foolflow.defenses.{method}"), method)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InvalidInput(f"defense {method!r}: foolflow/defenses has no such method") from error


def _call_user_filter(function: Callable[..., Any], name: str, parameters: Mapping[str, Any], images: Tensor) -> Any:
    try:
        return function(images.clone(), **parameters)  # the function may edit its input in place
    except Exception as error:  # the user's function may raise anything
        tried_with_gradient = images.requires_grad and torch.is_grad_enabled()  # Filtered then tries without
        if is_out_of_memory(error) or (tried_with_gradient and isinstance(error, (RuntimeError, TypeError))):
            raise
        raise failed(f"filter {name}", error) from error
