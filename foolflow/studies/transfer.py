"""Transfer: how often the adversarial images of each victim fool the other victims."""

from collections.abc import Iterator
from typing import Any

from foolflow.attacks.norms import epsilon_norm
from foolflow.data.cells import model_and_defense
from foolflow.studies.cells import Cell, Config, Exhibit, entries, exhibit, labels, sources_with, study_seeds
from foolflow.studies.controls import control_problems
from foolflow.workflow.config.names import has_several_sizes, invalid_names, unknown

TITLE = "Transfer"
QUESTION = "Do the adversarial images of one victim fool another one?"


def matrices(config: Config) -> dict[str, Any]:
    """Return the matrices of the study, by name."""
    return {matrix["name"]: matrix for matrix in entries(config, "transfer", "matrices")}


def attempts(config: Config, matrix: Config) -> list[Cell]:
    """Return a cell for each pair of victims of a matrix, grouped by target. Each target ends with the control."""
    names = [f"{model}/{defense}" for model in matrix["models"] for defense in matrix["defenses"]]
    attack, control = matrix["attack"], matrix.get("control")
    return [
        {"dataset": matrix["dataset"], "model": model, "defense": defense, "seed": seed}
        | {"attack": tried, "source": None if source == target else source}
        for seed in study_seeds(config, "transfer")
        for present in [sources_with(config, "transfer", seed, names)]
        for target in present
        for model, defense in [model_and_defense(target)]
        for tried, source in [*((attack, source) for source in present), *([(control, target)] if control else [])]
    ]


def cells(config: Config) -> list[Cell]:
    return [cell for matrix in matrices(config).values() for cell in attempts(config, matrix)]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    found = []
    for name, matrix in matrices(config).items():
        about = attempts(config, matrix)
        spec = {
            "matrix": {key: matrix[key] for key in ("name", "dataset", "attack")} | {"control": matrix.get("control")},
            "attempts": about,
        }
        found.append(
            exhibit(f"transfer/{name}", "transfer", spec, "transfer.rst", labels(f"table: transfer {name}", about))
        )
    return found


def figures(config: Config) -> list[Exhibit]:
    return [
        exhibit(
            f"transfer/{name}",
            "transfer_matrix",
            {"title": "Transfer of {attack} on {dataset}".format(**matrix), "table": f"transfer/{name}"},
            "transfer_matrix.rst",
            labels(f"figure: transfer matrix {name}", attempts(config, matrix)),
        )
        for name, matrix in matrices(config).items()
    ]


def problems(config: Config) -> Iterator[str]:
    """Report unknown and repeated names, matrices with one victim, attacks with several results per image, and controls
    that are none.
    """
    listed = config["studies"]["transfer"]["matrices"]
    yield from invalid_names("studies.transfer.matrices", listed, config)
    for index, matrix in enumerate(listed):
        key, name = f"studies.transfer.matrices.{index}", matrix["attack"]
        yield from unknown(f"{key}.attack", [name], "attacks", config["attacks"])
        attack = config["attacks"].get(name, {})
        if has_several_sizes(attack) or attack.get("targets") == "all":
            yield f"{key}.attack: {name} makes several adversarial images of each image; a matrix needs one"
        if len(matrix["models"]) * len(matrix["defenses"]) < 2:
            yield f"{key}: one victim; a matrix needs two or more"
        yield from _control_problems(f"{key}.control", matrix.get("control"), name, config)


def _control_problems(key: str, name: str | None, like: str, config: Config) -> Iterator[str]:
    """Report why the attack `name` is no control for the attack `like`. None: there is no control."""
    if name is None or like not in config["attacks"]:
        return
    attack = config["attacks"][like]
    epsilon = attack.get("parameters", {}).get("epsilon")
    if name == like:
        yield f"{key}: {name} is the attack of the matrix itself"
    elif has_several_sizes(config["attacks"].get(name, {})):
        yield f"{key}: {name} makes several adversarial images of each image; a matrix needs one"
    elif epsilon is None:
        yield f"{key}: {like} has no epsilon, so no random noise has the same size; null leaves it out"
    else:
        yield from control_problems(key, name, config, like=like, norm=epsilon_norm(attack), epsilons=epsilon)
