"""Estimate how many times an attack runs a model, from its config entry alone. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any


@dataclass(frozen=True)
class Cost:
    """Passes through the model per image and epsilon.

    forward, backward: on a typical image of an undefended model.
    most_forward, most_backward: about the largest number, on an image that resists.
    A backward pass needs a forward pass, which is counted in `forward`.
    """

    forward: float
    backward: float
    most_forward: float
    most_backward: float

    @property
    def at_most(self) -> "Cost":
        """The cost of an image that resists."""
        return Cost(self.most_forward, self.most_backward, self.most_forward, self.most_backward)


Parameters = Mapping[str, Any]

UNKNOWN = Cost(100, 100, 1000, 1000)  # a guess for attacks of users and of other libraries
FINAL = 1  # the forward pass that classifies the results


def passes(entry: Mapping[str, Any], classes: int) -> Cost:
    """Estimate the cost of an attack's config entry: `method` (or `python`) and `parameters`.

    The typical numbers were counted on networks for digits. Depending on the model and the epsilon they are off by a
    factor of up to 3. For attacks of users and of other libraries except AutoAttack they are guesses.
    """
    method = entry.get("method", "")
    parameters = entry.get("parameters", {})
    if method.startswith("autoattack:"):
        return _package(parameters, classes)
    if method in _COSTS:
        return _COSTS[method](parameters, classes)
    if isinstance(steps := parameters.get("steps"), int):
        return Cost(steps + 2, steps, 2 * steps + 2, 2 * steps)
    return UNKNOWN


def _fgsm(parameters: Parameters, classes: int) -> Cost:
    return Cost(1 + FINAL, 1, 1 + FINAL, 1)


def _pgd(parameters: Parameters, classes: int) -> Cost:
    steps, restarts = parameters.get("steps", 40), parameters.get("restarts", 1)
    most = restarts * steps
    return Cost(0.6 * most + 1 + FINAL, 0.6 * most, restarts * (steps + 1) + FINAL, most)


def _pgd_undetected(parameters: Parameters, classes: int) -> Cost:
    steps, restarts = parameters.get("steps", 100), parameters.get("restarts", 1)
    views = len(parameters.get("squeezers", ()))
    most = restarts * steps * (1 + views)
    typical = restarts * steps * (1 + 0.5 * views)  # a squeezer counts only once the image is fooled
    return Cost(typical + restarts + FINAL, typical, most + restarts * (1 + views) + FINAL, most)


def _deepfool(parameters: Parameters, classes: int) -> Cost:
    steps = parameters.get("steps", 50)
    rivals = max(min(parameters.get("classes", 10), classes) - 1, 1)
    nearest = min(parameters.get("nearest", 2), rivals)
    typical = min(steps, 4)
    return Cost(
        1.5 * typical + FINAL, rivals + nearest * max(typical - 1, 0), steps + 1 + FINAL, rivals + nearest * steps
    )


def _dichotomy(parameters: Parameters, classes: int) -> Cost:
    bisections = ceil(log2(1 / parameters.get("precision", 1e-3)))
    if parameters.get("variant", "improved") == "published":
        steps = parameters.get("steps") or 1000
        rounds = bisections + 2
        return Cost(0.4 * rounds * steps, 0.2 * rounds * steps, 2 * rounds * (steps + 1), rounds * steps)
    steps = parameters.get("steps") or 100
    fixed = 2 + bisections
    return Cost(0.9 * steps + fixed, 0.9 * steps, 3 * steps + 2 * fixed, 3 * steps)


def _automatic(parameters: Parameters, classes: int) -> Cost:
    if parameters.get("variant", "improved") == "published":
        steps = parameters.get("steps") or 1000
        return Cost(steps + 2, steps, steps + 2, steps)
    steps = parameters.get("steps") or 100
    fixed = 2 + ceil(log2(1 / parameters.get("precision", 1e-3)))
    return Cost(steps + fixed, steps, steps + 2 * fixed + 13, steps)


def _stadv(parameters: Parameters, classes: int) -> Cost:
    attempts = 1 + parameters.get("restarts", 5)
    if parameters.get("solver", "reweighted") == "reweighted":
        steps = parameters.get("steps", 60)
        return Cost(steps + 3, steps, attempts * steps + 3, attempts * steps)
    most = parameters.get("max_evaluations", 200)
    rounds = parameters.get("bisections", 4) if parameters.get("tau", "auto") == "auto" else 0
    typical = 0.3 * most * (1 + rounds)
    return Cost(typical + 3, typical, most * (attempts + 1 + rounds) + 3, most * (attempts + 1 + rounds))


def _stadv_students(parameters: Parameters, classes: int) -> Cost:
    most = parameters.get("max_evaluations", 15000)
    typical = min(most, 50)
    return Cost(typical + 2, typical, most + 2, most)


def _corrupt(parameters: Parameters, classes: int) -> Cost:
    draws = parameters.get("draws", 1)
    return Cost(draws + FINAL, 0, draws + FINAL, 0)


def _package(parameters: Parameters, classes: int) -> Cost:
    """The standard version of AutoAttack: APGD (100), targeted APGD and FAB (100 for each of 9 classes), Square."""
    targets = max(min(9, classes - 1), 1)
    return Cost(200, 150, 100 + 300 * targets + 5000, 100 + 200 * targets)


def _autoattack(parameters: Parameters, classes: int) -> Cost:
    rest = _package(parameters, classes)
    return Cost(60, 50, 100 + rest.most_forward, 100 + rest.most_backward)


_COSTS: Mapping[str, Callable[[Parameters, int], Cost]] = {
    "automatic": _automatic,
    "autoattack": _autoattack,
    "corrupt": _corrupt,
    "deepfool": _deepfool,
    "dichotomy": _dichotomy,
    "fgsm": _fgsm,
    "pgd": _pgd,
    "pgd_undetected": _pgd_undetected,
    "stadv": _stadv,
    "stadv_students": _stadv_students,
}
