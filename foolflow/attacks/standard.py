"""The standard list of attacks: what `attacks: standard` means in a config and in `foolflow.evaluate`.

This module imports nothing heavy, because the config is read before any job starts.
"""

from collections.abc import Mapping
from typing import Any

from foolflow.attacks.gradient_free import GRADIENT_FREE
from foolflow.attacks.norms import has_ball, minimised_norm

Entry = dict[str, Any]

CONTROLS = ("noise",)  # random changes of the same size, to compare the attacks with


def standard_attacks(norm: str, epsilon: float) -> dict[str, Entry]:
    """Return the config entry of each standard attack, by name, the cheapest first.

    norm, epsilon: the ball of the fixed-size attacks; `linf` or `l2`, in pixel units.
    Every attack follows the gradient through the victim's filter, or treats the filter as the identity if it has none.
    stAdv may not shift the whole image: its flow loss would not see that, and a reader would.
    """
    ball = {"epsilon": epsilon, "norm": norm}
    entries: dict[str, Entry] = {
        "noise": {"method": "corrupt", "parameters": {"kind": "noise", **ball}},
        "fgsm": {"method": "fgsm", "parameters": ball},
        "pgd": {"method": "pgd", "parameters": {**ball, "steps": 40}},
        "pgd_margin": {"method": "pgd", "parameters": {**ball, "steps": 40, "loss": "margin", "restarts": 2}},
        "autoattack": {"method": "autoattack", "parameters": ball},
        "minimal_linf": {"method": "dichotomy", "parameters": {"norm": "linf"}},
        "minimal_l2": {"method": "dichotomy", "parameters": {"norm": "l2"}},
        "stadv": {"method": "stadv", "parameters": {"tau": "auto", "allow_shift": False}},
    }
    return {name: entry | {"filter_gradient": "auto"} for name, entry in entries.items()}


def needs_gradient(entry: Mapping[str, Any]) -> bool:
    """Whether an attack is one of ours that cannot run on a model without a gradient."""
    method = entry.get("method", "")
    return bool(method) and ":" not in method and method not in GRADIENT_FREE


def is_within(entry: Mapping[str, Any], norm: str) -> bool:
    """Whether an attack counts in the worst case within a ball of this norm, `l2` or `linf`.

    It does if it stays within an epsilon, or minimises this norm. A function of a caller of `foolflow.evaluate` always
    does. Perturbations that leave the ball are no success of these attacks.
    """
    return "function" in entry or has_ball(entry) or minimised_norm(entry) == norm
