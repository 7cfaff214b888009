"""What a config makes the machine do, study by study, before anything has run."""

from collections.abc import Mapping
from typing import Any

from foolflow.data.cells import VICTIM, source_of
from foolflow.defenses.kinds import TRAINING
from foolflow.models.kinds import is_supplied
from foolflow.studies.cells import Cell, Config, sets_of, trained_defenses, victims_of
from foolflow.studies.contents import study_module


def workload(config: Config) -> list[dict[str, Any]]:
    """Return the work of each study, in the order of the config. What studies share belongs to the first of them.

    study: its name.  trainings: the victims to train, each with `epochs`.  attacks: the adversarial sets to make, each
    with the config `entry` of the attack, and `hardened`, whether the victim may resist long.
    judgements: the victims, each with the `entry` of an attack whose set it judges.
    """
    trained: set[tuple[Any, ...]] = set()
    made: set[tuple[Any, ...]] = set()
    return [_of_study(config, name, trained, made) for name in config["studies"]]


def timed(config: Config) -> list[Cell]:
    """Return the victims whose speed tells what the config costs: one training seed of each."""
    cells = [cell for name in config["studies"] for cell in study_module(name).cells(config)]
    victims = [*victims_of(cells), *victims_of(sets_of(cells))]
    victims += [row for one in workload(config) for row in one["trainings"]]
    return list({_kind(victim): {key: victim[key] for key in VICTIM[:-1]} for victim in victims}.values())


def _of_study(config: Config, name: str, trained: set[tuple[Any, ...]], made: set[tuple[Any, ...]]) -> dict[str, Any]:
    module = study_module(name)
    cells = list(module.cells(config))
    shown = module.victims(config) if hasattr(module, "victims") else []
    trainings, attacks = [], []
    for victim in [*victims_of(cells), *victims_of(sets_of(cells)), *victims_of(shown)]:
        victim = victim | {"defense": victim["defense"] if victim["defense"] in trained_defenses(config) else "none"}
        if not is_supplied(config["models"][victim["model"]]) and tuple(victim.values()) not in trained:
            trained.add(tuple(victim.values()))
            trainings.append(victim | {"epochs": _epochs(config, victim)})
    for one in sets_of(cells):
        if tuple(one.values()) not in made:
            made.add(tuple(one.values()))
            hardened = _hardens(_defense(config, one["defense"]))
            attacks.append(one | {"entry": config["attacks"][one["attack"]], "hardened": hardened})
    judged = {(*(cell[key] for key in VICTIM), cell["attack"], source_of(cell)): cell for cell in cells}
    judgements = [
        {key: cell[key] for key in VICTIM} | {"entry": config["attacks"][cell["attack"]]} for cell in judged.values()
    ]
    return {"study": name, "trainings": trainings, "attacks": attacks, "judgements": judgements}


def _hardens(defense: Mapping[str, Any]) -> bool:
    """Whether a network trained this way may resist attacks.

    Trained against a single step without a random start, it learns to mask its gradient instead.
    """
    given = defense.get("parameters", {})
    return defense.get("method") in TRAINING and bool(given.get("steps", 1) > 1 or given.get("random_start"))


def _kind(victim: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(victim[key] for key in VICTIM[:-1])


def _defense(config: Config, name: str) -> Mapping[str, Any]:
    return {} if name == "none" else config["defenses"][name]


def _epochs(config: Config, victim: Cell) -> int:
    recipe = config["models"][victim["model"]]["training"]
    return int((recipe | _defense(config, victim["defense"]).get("training", {}))["epochs"])
