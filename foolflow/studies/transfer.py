"""Transfer: how often the adversarial images of each victim fool the other victims."""

from collections.abc import Iterator
from typing import Any

from foolflow.data.cells import model_and_defense
from foolflow.studies.cells import Cell, Config, Exhibit, entries, exhibit, labels, sources_with, study_seeds
from foolflow.workflow.config.names import has_several_sizes, invalid_names, unknown

TITLE = "Transfer"
QUESTION = "Do the adversarial images of one victim fool another one?"


def matrices(config: Config) -> dict[str, Any]:
    """Return the matrices of the study, by name."""
    return {matrix["name"]: matrix for matrix in entries(config, "transfer", "matrices")}


def attempts(config: Config, matrix: Config) -> list[Cell]:
    """Return a cell for each pair of victims of a matrix, grouped by target."""
    names = [f"{model}/{defense}" for model in matrix["models"] for defense in matrix["defenses"]]
    return [
        {"dataset": matrix["dataset"], "model": model, "defense": defense, "seed": seed}
        | {"attack": matrix["attack"], "source": None if source == target else source}
        for seed in study_seeds(config, "transfer")
        for present in [sources_with(config, "transfer", seed, names)]
        for target in present
        for model, defense in [model_and_defense(target)]
        for source in present
    ]


def cells(config: Config) -> list[Cell]:
    return [cell for matrix in matrices(config).values() for cell in attempts(config, matrix)]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    found = []
    for name, matrix in matrices(config).items():
        about = attempts(config, matrix)
        spec = {"matrix": {key: matrix[key] for key in ("name", "dataset", "attack")}, "attempts": about}
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
    """Report unknown and repeated names, matrices with one victim, and attacks with several results per image."""
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
