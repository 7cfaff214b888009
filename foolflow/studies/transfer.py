"""How well the adversarial images of each victim fool every other one."""

from collections.abc import Iterator

from foolflow.workflow.config.names import Config, has_several_epsilons, repeated_names, unknown, unknown_victims


def problems(config: Config) -> Iterator[str]:
    """Unknown or repeated names, matrices of one victim, and attacks that make several images of one."""
    matrices = config["studies"]["transfer"]["matrices"]
    yield from repeated_names("studies.transfer.matrices", matrices)
    for place, matrix in enumerate(matrices):
        key, name = f"studies.transfer.matrices.{place}", matrix["attack"]
        yield from unknown_victims(key, matrix, config)
        yield from unknown(f"{key}.attack", [name], "attacks", config["attacks"])
        attack = config["attacks"].get(name, {})
        if has_several_epsilons(attack) or attack.get("targets") == "all":
            yield f"{key}.attack: {name} makes several adversarial images of each image; a matrix needs one"
        if len(matrix["models"]) * len(matrix["defenses"]) < 2:
            yield f"{key}: one victim; a matrix needs two or more"
