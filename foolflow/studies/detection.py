"""Detect adversarial images by feature squeezing, those of adaptive attacks included."""

from collections.abc import Iterator
from typing import Any

from foolflow.workflow.config.names import Config, several_epsilons, unknown


def _filter_of(entry: Config) -> dict[str, Any]:
    """The part of a defense, or of an attack's squeezer, that defines its filter."""
    return {"parameters": {}} | {key: entry[key] for key in ("method", "python", "parameters") if key in entry}


def problems(config: Config) -> Iterator[str]:
    """Unknown names, attacks with several epsilons, and adaptive attacks on another detector."""
    attacks, detectors = config["attacks"], config["detectors"]
    for place, detection in enumerate(config["studies"]["detection"]["detections"]):
        key = f"studies.detection.detections.{place}"
        adaptive = detection.get("adaptive", [])
        yield from unknown(f"{key}.dataset", [detection["dataset"]], "datasets", config["datasets"])
        yield from unknown(f"{key}.model", [detection["model"]], "models", config["models"])
        yield from unknown(f"{key}.detector", [detection["detector"]], "detectors", detectors)
        for field, names in (("attacks", detection["attacks"]), ("adaptive", adaptive)):
            yield from unknown(f"{key}.{field}", names, "attacks", attacks)
            yield from several_epsilons(f"{key}.{field}", names, config)
        squeezers = detectors.get(detection["detector"], {}).get("squeezers", [])
        known = [_filter_of(config["defenses"].get(name, {})) for name in squeezers]
        for name in adaptive:
            given = attacks.get(name, {}).get("parameters", {}).get("squeezers")
            if given is not None and [_filter_of(squeezer) for squeezer in given] != known:
                yield f"{key}.adaptive: the squeezers of {name} are not those of {detection['detector']}"
