"""The kinds of corruptions with the units of their size, and the parameter of an attack that may be a list.

This module imports nothing heavy, because the config is read before any job starts.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NOISES = ("noise", "sign_noise", "gaussian_noise", "uniform_noise")  # their size is a norm, `epsilon`


@dataclass(frozen=True)
class Strength:
    """How a kind of corruption measures its size, `strength`.

    unit: of the strength.  least, most: of the strengths that are allowed.
    identity: the strength at which images stay as they are; None: there is no such strength.
    whole: strengths are whole numbers.  random: draws differ from each other.
    """

    unit: str
    least: float = 0.0
    most: float = math.inf
    identity: float | None = 0.0
    whole: bool = False
    random: bool = False


STRENGTHS = {
    "rotation": Strength("degrees", most=180, random=True),
    "translation": Strength("pixels", random=True),
    "scale": Strength("fraction of the size", random=True),
    "crop": Strength("fraction of each side", most=0.9),
    "stretch": Strength("fraction of a side", random=True),
    "blur": Strength("pixels"),
    "contrast": Strength("factor", identity=1.0),
    "jpeg": Strength("quality", least=1, most=100, identity=None, whole=True),
}
KINDS = (*NOISES, *STRENGTHS)


def corruption_problem(parameters: Mapping[str, Any]) -> str | None:
    """Explain in one line, which begins with the name of a parameter, why `corrupt` rejects it; None if it does not.

    parameters: those of `corrupt`, of the right types; None counts as missing.
    """
    kind, draws = parameters.get("kind", "noise"), parameters.get("draws", 1)
    if kind not in KINDS:
        return f"kind: {kind!r} is not one of {', '.join(KINDS)}"
    name, other = ("epsilon", "strength") if kind in NOISES else ("strength", "epsilon")
    if parameters.get(other) is not None:
        return f"{other}: {kind} has none; its size is its {name}"
    if parameters.get(name) is None:
        return f"{name}: missing; {kind} needs it"
    if (norm := parameters.get("norm", "linf")) not in ("linf", "l2"):
        return f"norm: {norm!r} is not linf or l2"
    if draws < 1:
        return f"draws: {draws} is not at least 1"
    if parameters.get("up_to") and not (kind in STRENGTHS and STRENGTHS[kind].random):
        return f"up_to: only for {', '.join(name for name, one in STRENGTHS.items() if one.random)}, not for {kind}"
    if kind in NOISES:
        return None
    if draws > 1 and not STRENGTHS[kind].random:
        return f"draws: {kind} draws no random numbers, so all {draws} would be the same; leave it out"
    return _strength_problem(kind, parameters["strength"])


def _strength_problem(kind: str, given: Any) -> str | None:
    allowed, values = STRENGTHS[kind], _listed(given)
    for value in values:
        if isinstance(value, bool | str) or not (allowed.least <= value <= allowed.most and math.isfinite(value)):
            most = "" if math.isinf(allowed.most) else f" to {allowed.most:g}"
            return f"strength: {value!r} is out of range for {kind}: {allowed.unit}, from {allowed.least:g}{most}"
        if allowed.whole and value != int(value):
            return f"strength: {value!r} is not a whole number, as the {allowed.unit} of {kind} is"
    if not values or len(set(values)) < len(values):
        return f"strength: {given} {'repeats a number' if values else 'is an empty list'}"
    return None


def size_name(entry: Mapping[str, Any]) -> str:
    """Return which parameter of an attack's config entry may be a list, with one adversarial set for each value."""
    is_strength = entry.get("method") == "corrupt" and entry.get("parameters", {}).get("strength") is not None
    return "strength" if is_strength else "epsilon"


def sizes(entry: Mapping[str, Any]) -> list[Any]:
    """Return the epsilons or strengths of an attack's config entry; [None] if it has neither."""
    return _listed(entry.get("parameters", {}).get(size_name(entry)))


def _listed(given: Any) -> list[Any]:
    """Return the items of a list, a tuple, an array or a tensor; a list of one for a single value."""
    is_single = isinstance(given, str) or not isinstance(given, Iterable) or not getattr(given, "ndim", 1)
    return [given] if is_single else list(given)
