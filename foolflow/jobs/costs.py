"""Estimate how many times an attack runs a model, from its config entry alone. Imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from operator import mul
from typing import Any


@dataclass(frozen=True)
class Cost:
    """Passes through the model per image and epsilon.

    forward, backward: on an image that a short attack fools, typical of an undefended model.
    most_forward, most_backward: on an image that resists a short attack. Attacks that look for the smallest
        perturbation fool almost every image in the end, so they cost about the same on both.
    seconds: per image, on one core, apart from these passes.
    A backward pass needs a forward pass, which is counted in `forward`.
    """

    forward: float
    backward: float
    most_forward: float
    most_backward: float
    seconds: float = 0.0

    @property
    def at_most(self) -> "Cost":
        """The cost of an image that resists."""
        return Cost(self.most_forward, self.most_backward, self.most_forward, self.most_backward, self.seconds)


Parameters = Mapping[str, Any]

UNKNOWN = Cost(100, 100, 1000, 1000)  # a guess for attacks of users and of other libraries
FINAL = 1  # the forward pass that classifies the results


def passes(entry: Mapping[str, Any], classes: int, shape: Sequence[int] | None = None, draws: int = 1) -> Cost:
    """Estimate the cost of an attack's config entry: `method` (or `python`), `parameters` and `samples`.

    classes: number of the model's outputs.  shape: (C, H, W) of the images; without it, `seconds` is 0.
    draws: what `samples: auto` means for the victim, 1 unless it is random.
    The numbers were counted on two networks for digits, each undefended and adversarially trained, and on an untrained
    ResNet-18 with 5 and 1,000 classes. For attacks of users and of other libraries except AutoAttack they are guesses.
    """
    samples = entry.get("samples", "auto")
    once, times = _passes(entry, classes, shape), draws if samples == "auto" else samples
    return replace(
        once,
        forward=times * once.forward,
        backward=times * once.backward,
        most_forward=times * once.most_forward,
        most_backward=times * once.most_backward,
    )


def _passes(entry: Mapping[str, Any], classes: int, shape: Sequence[int] | None) -> Cost:
    """Return the cost with one draw."""
    method = entry.get("method", "")
    parameters = entry.get("parameters", {})
    if method.startswith("autoattack:"):
        return _package(method.removeprefix("autoattack:"), parameters, classes)
    if method == "stadv":
        return replace(_stadv(parameters, classes), seconds=0.0 if shape is None else _stadv_seconds(parameters, shape))
    if method in _COSTS:
        return _COSTS[method](parameters, classes)
    if isinstance(steps := parameters.get("steps"), int):
        return Cost(steps + 2, steps, 2 * steps + 2, 2 * steps)
    return UNKNOWN


def _same(forward: float, backward: float) -> Cost:
    """Return the cost of an attack that spends as much on every image."""
    return Cost(forward, backward, forward, backward)


def _fgsm(parameters: Parameters, classes: int) -> Cost:
    return _same(1 + FINAL, 1)


def _pgd(parameters: Parameters, classes: int) -> Cost:
    steps, restarts = parameters.get("steps", 40), parameters.get("restarts", 1)
    leaving = parameters.get("early_stop", True)
    typical = max(0.3 * steps, 1) if leaving else steps  # of the first start, where fooled images leave
    return Cost(typical + FINAL, typical, restarts * (steps + 1) + FINAL, restarts * steps)


def _pgd_undetected(parameters: Parameters, classes: int) -> Cost:
    starts = parameters.get("restarts", 1) * min(parameters.get("classes", 1), classes - 1)
    views = 1 + len(parameters.get("squeezers", ()))
    steps = starts * parameters.get("steps", 100)
    return _same(views * (steps + starts) + 1 + FINAL, views * steps)


def _deepfool(parameters: Parameters, classes: int) -> Cost:
    steps = parameters.get("steps", 50)
    rivals = max(min(parameters.get("classes", 10), classes) - 1, 1)
    nearest = min(parameters.get("nearest", 4), rivals)
    typical = min(steps, 4)
    return _same(1.5 * typical + FINAL, rivals + nearest * max(typical - 1, 0))


def _dichotomy(parameters: Parameters, classes: int) -> Cost:
    bisections = ceil(log2(1 / parameters.get("precision", 1e-3)))
    if parameters.get("variant", "improved") == "published":
        most = (bisections + 2) * (parameters.get("steps") or 1000)
        return Cost(1.2 * most, 0.6 * most, 1.4 * most, 0.7 * most)
    steps = parameters.get("steps") or 100
    return _same(0.9 * steps + 2 + bisections, 0.9 * steps)


def _fixed_norm(parameters: Parameters, classes: int) -> Cost:
    most = parameters.get("steps", 1000)
    return Cost(0.8 * most + 2 + FINAL, 0.4 * most, 2 * most + 2 + FINAL, most)


def _automatic(parameters: Parameters, classes: int) -> Cost:
    if parameters.get("variant", "improved") == "published":
        steps = parameters.get("steps") or 1000
        return _same(steps + 2, steps)
    steps = parameters.get("steps") or 100
    return _same(steps + 2 + ceil(log2(1 / parameters.get("precision", 1e-3))), steps)


PER_PIXEL = 2e-7  # seconds of a step of stAdv, apart from the network
RESTARTED = 1.2  # stAdv's attempts per image; few images need a second one


def _stadv(parameters: Parameters, classes: int) -> Cost:
    if parameters.get("solver", "reweighted") == "reweighted":
        steps = RESTARTED * _stadv_steps(parameters)
        shifts = 49 if parameters.get("init") == "shift" else 0  # the images that they fool take no further steps
        return _same(steps + shifts + 1 + FINAL, steps)
    evaluations, automatic = parameters.get("max_evaluations", 200), parameters.get("tau", "auto") == "auto"
    searches = 1 + parameters.get("bisections", 4) if automatic else 1
    if parameters.get("solver") == "adam":
        typical = RESTARTED * evaluations * searches
    else:
        typical = (0.38 if automatic else 0.55) * evaluations * searches
    return _same(typical + 1 + FINAL, typical)


def _stadv_steps(parameters: Parameters) -> float:
    return float(parameters.get("steps") or (60 if parameters.get("tau", "auto") == "auto" else 40))


def _stadv_seconds(parameters: Parameters, shape: Sequence[int]) -> float:
    """Return the time of the linear systems and the warping, in proportion to the number of pixels.

    Measured with 28 to 224 pixels a side.
    """
    if parameters.get("solver", "reweighted") != "reweighted":
        return 0.0
    _, height, width = shape
    return PER_PIXEL * RESTARTED * _stadv_steps(parameters) * height * width


def _stadv_students(parameters: Parameters, classes: int) -> Cost:
    typical, most = (min(parameters.get("max_evaluations", 15000), count) for count in (7, 13))  # no descent is left
    return Cost(typical + 1 + FINAL, typical, most + 1 + FINAL, most)


def _corrupt(parameters: Parameters, classes: int) -> Cost:
    return _same(parameters.get("draws", 1) + FINAL, 0)


PARTS_OF = {  # pyautoattack's versions; `custom` names its parts
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "plus": ("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
    "rand": ("apgd-ce", "apgd-dlr"),
}
RESTARTS = 5  # of these parts in `plus` and `custom`; 1 in `standard` and `rand`
RESTARTED_PARTS = ("apgd-ce", "apgd-dlr", "fab")
GRADIENTS = 20  # per step, in `rand`


def _package(version: str, parameters: Parameters, classes: int) -> Cost:
    """A version of pyautoattack: 100 steps of APGD and FAB, for each of 9 classes if targeted; 5,000 of Square."""
    targets = max(min(9, classes - 1), 1)
    each = {
        "apgd-ce": (100, 100),
        "apgd-dlr": (100, 100),
        "apgd-t": (100 * targets, 100 * targets),
        "fab": (200, 100 * classes),
        "fab-t": (200 * targets, 100 * targets),
        "square": (5000, 0),
    }
    named = parameters.get("attacks") if version == "custom" else PARTS_OF.get(version)
    parts = [part for part in named or () if part in each] or PARTS_OF["standard"]  # the library reports unknown names
    draws = GRADIENTS if version == "rand" else 1
    starts = [RESTARTS if version in ("plus", "custom") and part in RESTARTED_PARTS else 1 for part in parts]
    forward, backward = ([draws * each[part][way] for part in parts] for way in (0, 1))
    # The first start fools most images of an undefended model; only Square leaves an image as soon as it is fooled.
    share = 0.1 if parts[0] == "square" else 1
    return Cost(
        share * forward[0] + 15,
        share * backward[0] + 1,
        sum(map(mul, starts, forward)),
        sum(map(mul, starts, backward)) + 1,
    )


def _apgd(parameters: Parameters, classes: int) -> Cost:
    steps, restarts = parameters.get("steps", 100), parameters.get("restarts", 1)
    aims = max(min(parameters.get("target_classes", 0), classes - 1), 1)
    most = restarts * _aimed_steps(aims, steps, (0.2, 0.3, 0.5))
    typical = 4 * aims  # of the first start, because fooled images leave
    return Cost(min(typical, most) + 1 + FINAL, min(typical, most), most + 2 * aims + 1 + FINAL, most)


def _aimed_steps(aims: int, steps: float, shares: Sequence[float]) -> float:
    """Return the steps per image of a search that drops half of the classes it aims at, and half of the rest."""
    return steps * sum(share * max(aims // part, 1) for share, part in zip(shares, (1, 2, 4), strict=True))


def _fab(parameters: Parameters, classes: int) -> Cost:
    aims = max(min(parameters.get("target_classes", 9), classes - 1), 1)
    shares = (0.4, 0.3, 0.3) if parameters.get("norm", "linf") == "l2" else (0.2, 0.3, 0.5)
    most = _aimed_steps(aims, parameters.get("steps", 100), shares)
    typical = most if parameters.get("epsilon") is None else min(10 * aims, most)
    return Cost(typical + 1 + FINAL, typical, most + 1 + FINAL, most)


def _square(parameters: Parameters, classes: int) -> Cost:
    queries = parameters.get("queries", 5000)
    return Cost(0.1 * queries + 1 + FINAL, 0, 0.95 * queries + 1 + FINAL, 0)


STILL = 0.7  # between 0.6, counted on adversarially trained networks, and 1 if no attack fools an image


def _autoattack(parameters: Parameters, classes: int) -> Cost:
    aimed = {"target_classes": 9, "norm": parameters.get("norm", "linf"), "epsilon": parameters.get("epsilon", 0)}
    more = _apgd({"restarts": 2}, classes) if aimed["norm"] == "linf" else _dichotomy({}, classes)
    parts = [_apgd({}, classes), _apgd(aimed, classes), _fab(aimed, classes), more, _square(parameters, classes)]
    # Later attacks fool some of the images that resisted a short attack, and spend less on these.
    return Cost(
        8,
        4,
        STILL * sum(part.most_forward for part in parts),
        STILL * sum(part.most_backward for part in parts),
    )


_COSTS: Mapping[str, Callable[[Parameters, int], Cost]] = {
    "apgd": _apgd,
    "automatic": _automatic,
    "autoattack": _autoattack,
    "corrupt": _corrupt,
    "deepfool": _deepfool,
    "dichotomy": _dichotomy,
    "fab": _fab,
    "fgsm": _fgsm,
    "fixed_norm": _fixed_norm,
    "pgd": _pgd,
    "pgd_undetected": _pgd_undetected,
    "square": _square,
    "stadv_students": _stadv_students,
}
