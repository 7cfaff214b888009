"""Defenses by the name that the config gives them."""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from foolflow.defenses.filtered import Filter
from foolflow.defenses.hardening import Hardening
from foolflow.defenses.kinds import TRAINING
from foolflow.plugins import load_object

PGD_STEPS = 10  # of the attack that a val accuracy is measured with after each epoch


def load_filter(defense: Mapping[str, Any]) -> Filter:
    """The filter of a defense that has one: `method` (foolflow/defenses/<method>.py) or `python`, and `parameters`.

    Raises InvalidInput if there is no such filter.
    """
    function = load_object(defense["python"]) if "python" in defense else _built_in(defense["method"])
    return partial(function, **defense.get("parameters", {}))


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
