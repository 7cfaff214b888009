"""Which norm an attack's config entry is about, from the entry alone. Imports no torch."""

from collections.abc import Mapping
from typing import Any

from foolflow.attacks.kinds import size_name

NORMS = ("linf", "l2")

# Attacks that look for the smallest perturbation, with the norm that they minimise by default.
MINIMAL = {"dichotomy": "l2", "automatic": "l2", "deepfool": "l2", "fab": "linf"}
WITHOUT_NORM = ("stadv", "stadv_students")


def has_ball(entry: Mapping[str, Any]) -> bool:
    """Whether an attack stays within a given epsilon, rather than looking for the smallest perturbation."""
    return "epsilon" in entry.get("parameters", {})


def epsilon_norm(entry: Mapping[str, Any]) -> str | None:
    """Return the norm of an attack's epsilons; None for strengths, and for attacks that are not ours and do not say."""
    if size_name(entry) != "epsilon" or ":" in entry.get("method", ":"):
        return None
    return str(entry.get("parameters", {}).get("norm", "linf"))


def minimised_norm(entry: Mapping[str, Any]) -> str | None:
    """Return the norm that one of our attacks minimises, `l2` or `linf`; None for any other attack."""
    if entry.get("method") not in MINIMAL or has_ball(entry):
        return None
    return str(entry.get("parameters", {}).get("norm", MINIMAL[entry["method"]]))


def measures_distance(entry: Mapping[str, Any]) -> bool:
    """Whether the distance of an attack's images may count: for all but those that warp, or corrupt by a strength."""
    return entry.get("method") not in WITHOUT_NORM and size_name(entry) != "strength"
