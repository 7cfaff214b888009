"""Feature squeezing as a detector of adversarial images, including against attacks that know the detector."""

from collections.abc import Iterator, Sequence
from typing import Any

from foolflow.attacks.norms import epsilon_norm
from foolflow.statistics.budget import size_in_words
from foolflow.studies.cells import Cell, Config, Exhibit, entries, exhibit, labels, seeds_of, sets_of
from foolflow.workflow.config.names import repeated, several_sizes, unknown

TITLE = "Detection by feature squeezing"
QUESTION = "Can adversarial images be found instead of corrected, even if the attacker knows the detector?"


def detections(config: Config) -> list[Cell]:
    """Return a cell for each detector on each of its victims, with the `attacks` that it is tested against."""
    return [
        {key: detection[key] for key in ("dataset", "model", "detector")}
        | {"defense": "none", "seed": seed, "epsilon": detection.get("epsilon")}
        | {
            "attacks": [
                {"attack": attack, "adaptive": field == "adaptive"}
                for field in ("attacks", "adaptive")
                for attack in detection.get(field, [])
            ]
        }
        for detection in entries(config, "detection", "detections")
        for seed in seeds_of(config, "detection", detection["model"])
    ]


def scored(config: Config) -> list[Cell]:
    """Return a cell for each attack of each detection."""
    return [
        {key: detection[key] for key in ("dataset", "model", "defense", "seed", "detector")} | attack
        for detection in detections(config)
        for attack in detection["attacks"]
    ]


def cells(config: Config) -> list[Cell]:
    """Return a cell for each attack of the study. The detectors score the images; judgements let the page show them."""
    return sets_of(scored(config))


def squeezers(config: Config, detector: str) -> list[dict[str, Any]]:
    """Return the config entries of a detector's filters, in its order, without the key `at`."""
    return [
        {"name": name} | _filter_of(config["defenses"][name]) for name in config["detectors"][detector]["squeezers"]
    ]


def _filter_of(entry: Config) -> dict[str, Any]:
    """Return the part of a defense, or of an attack's squeezer, that defines its filter."""
    return {"parameters": {}} | {key: entry[key] for key in ("method", "python", "parameters") if key in entry}


def tables(config: Config, reference: Any) -> list[Exhibit]:
    spec = _spec(config) | {"reference": reference}
    words = labels("table: detection", scored(config))
    return [exhibit("detection", "detection", spec, "detection_table.rst", words)]


def figures(config: Config) -> list[Exhibit]:
    words = labels("figure: ROC curves", scored(config))
    return [exhibit("detection", "roc_curves", _spec(config), "detection.rst", words)]


def _spec(config: Config) -> dict[str, Any]:
    return {
        "false_positives": config["studies"]["detection"]["false_positives"],
        "detectors": detections(config),
    }


def problems(config: Config) -> Iterator[str]:
    """Report repeated entries, unknown names, several epsilons, budgets that rounding to 8 bits leaves, attacks that
    may leave the budget, and adaptive attacks on a different detector."""
    attacks, detectors = config["attacks"], config["detectors"]
    detections = config["studies"]["detection"]["detections"]
    yield from repeated("studies.detection.detections", detections, ("dataset", "model", "detector"))
    for index, detection in enumerate(detections):
        key = f"studies.detection.detections.{index}"
        adaptive = detection.get("adaptive", [])
        yield from unknown(f"{key}.dataset", [detection["dataset"]], "datasets", config["datasets"])
        yield from unknown(f"{key}.model", [detection["model"]], "models", config["models"])
        yield from unknown(f"{key}.detector", [detection["detector"]], "detectors", detectors)
        for field, names in (("attacks", detection["attacks"]), ("adaptive", adaptive)):
            yield from unknown(f"{key}.{field}", names, "attacks", attacks)
            yield from several_sizes(f"{key}.{field}", names, config)
        if "epsilon" in detection:
            yield from _over_budget(key, detection["epsilon"], [*detection["attacks"], *adaptive], attacks)
        squeezer_names = detectors.get(detection["detector"], {}).get("squeezers", [])
        known = [_filter_of(config["defenses"].get(name, {})) for name in squeezer_names]
        for name in adaptive:
            given = attacks.get(name, {}).get("parameters", {}).get("squeezers")
            if given is not None and [_filter_of(squeezer) for squeezer in given] != known:
                yield f"{key}.adaptive: the squeezers of {name} are not those of {detection['detector']}"


def _over_budget(key: str, budget: float, names: Sequence[str], attacks: Config) -> Iterator[str]:
    """Report a budget that is no whole number of 8-bit levels, and L-infinity attacks with a larger epsilon."""
    levels = budget * 255
    if abs(levels - round(levels)) > 1e-4:
        yield (
            f"{key}.epsilon: {size_in_words(budget)} is {levels:g} of 255 levels, which rounding to 8 bits can leave; "
            f"use {int(levels)}/255 or {int(levels) + 1}/255"
        )
    for name in names:
        own = attacks.get(name, {}).get("parameters", {}).get("epsilon", 0)
        if epsilon_norm(attacks.get(name, {})) == "linf" and not isinstance(own, list) and own > budget + 1e-9:
            yield f"{key}.epsilon: {name} has epsilon {size_in_words(own)}, more than {size_in_words(budget)}"
