"""The standard list of attacks: what `attacks: standard` means in a config and in `foolflow.evaluate`.

This module imports nothing heavy, because the config is read before any job starts.
"""

from collections.abc import Mapping
from typing import Any

from foolflow.attacks.gradient_free import GRADIENT_FREE

Entry = dict[str, Any]

NORMS = ("linf", "l2")

CONTROLS = ("noise",)  # random changes of the same size, to compare the attacks with

# Attacks that look for the smallest perturbation, with the norm that they minimise by default.
MINIMAL = {"dichotomy": "l2", "automatic": "l2", "deepfool": "l2", "fab": "linf"}


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


def has_ball(entry: Mapping[str, Any]) -> bool:
    """Whether an attack stays within a given epsilon, rather than looking for the smallest perturbation."""
    return "epsilon" in entry.get("parameters", {})


def measures_distance(entry: Mapping[str, Any]) -> bool:
    """Whether the distance of an attack's images counts: it has a ball, or looks for the smallest perturbation."""
    return "function" in entry or has_ball(entry) or minimised_norm(entry) is not None


def needs_gradient(entry: Mapping[str, Any]) -> bool:
    """Whether an attack is one of ours that cannot run on a model without a gradient."""
    method = entry.get("method", "")
    return bool(method) and ":" not in method and method not in GRADIENT_FREE


def minimised_norm(entry: Mapping[str, Any]) -> str | None:
    """Return the norm that one of our attacks minimises, `l2` or `linf`; None for any other attack."""
    if entry.get("method") not in MINIMAL or has_ball(entry):
        return None
    return str(entry.get("parameters", {}).get("norm", MINIMAL[entry["method"]]))


def is_within(entry: Mapping[str, Any], norm: str) -> bool:
    """Whether an attack counts in the worst case within a ball of this norm, `l2` or `linf`.

    It does if it stays within an epsilon, or minimises this norm. A function of a caller of `foolflow.evaluate` always
    does. Perturbations that leave the ball are no success of these attacks.
    """
    return "function" in entry or has_ball(entry) or minimised_norm(entry) == norm
