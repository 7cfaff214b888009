"""R1: spatially transformed adversarial images of MNIST and FashionMNIST."""

from collections.abc import Iterator
from typing import Any

from foolflow.workflow.config.calls import method_problems
from foolflow.workflow.config.names import Config, unknown
from foolflow.workflow.config.numbers import numbers_read_as_text


def varied(explored: Config) -> list[dict[str, Any]]:
    """The attacks that an exploration adds: one for each value of each parameter, named after both."""
    return [
        {"parameter": parameter, "value": value, "attack": f"{explored['attack']}-{parameter}-{value}"}
        for parameter, values in explored["parameters"].items()
        for value in values
    ]


def _named(study: Config) -> Iterator[tuple[str, Config, dict[str, str]]]:
    """Each part of the study with its key, and the kind of entry that each of its fields names."""
    key, post_mortem = "studies.stadv", study.get("post_mortem", {})
    yield key, study, {"datasets": "datasets", "models": "models", "attack": "attacks", "grid": "attacks"}
    explored = {"dataset": "datasets", "models": "models", "attack": "attacks"}
    yield f"{key}.explorations", study.get("explorations", {}), explored
    yield f"{key}.post_mortem", post_mortem, {"dataset": "datasets"}
    for place, step in enumerate(post_mortem.get("steps", [])):
        yield f"{key}.post_mortem.steps.{place}", step, {"model": "models", "attack": "attacks"}


def _exploration_problems(explored: Config, attacks: Config) -> Iterator[str]:
    """Parameters that the explored attack does not take, and added attacks whose name is taken."""
    key, attack, added = "studies.stadv.explorations", attacks[explored["attack"]], varied(explored)
    names = [setting["attack"] for setting in added]
    for parameter, value, name in (setting.values() for setting in added):
        if name in attacks or names.count(name) > 1:
            yield f"{key}.parameters.{parameter}: {value!r} would add a second attack named {name}"
        if ":" not in attack.get("method", ":"):
            parameters = attack.get("parameters", {}) | {parameter: value}
            yield from method_problems(key, "attacks", attack["method"], parameters)
        else:
            yield from numbers_read_as_text(value, f"{key}.parameters.{parameter}")


def problems(config: Config) -> Iterator[str]:
    """Unknown names, attacks without targets, and parameters that cannot be explored."""
    study, attacks = config["studies"]["stadv"], config["attacks"]
    for key, part, fields in _named(study):
        for field, kind in fields.items():
            names = part.get(field, [])
            yield from unknown(f"{key}.{field}", [names] if isinstance(names, str) else names, kind, config[kind])
            # Success is counted, and the grid's columns are chosen, by target.
            if kind == "attacks" and names and "targets" not in attacks.get(names, {"targets": None}):
                yield f"{key}.{field}: {names} has no targets; give it `targets: random` or `targets: all`"
    if study.get("explorations", {}).get("attack") in attacks:
        yield from _exploration_problems(study["explorations"], attacks)
