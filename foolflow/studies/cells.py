"""Shared by all studies: cells, exhibits and their labels.

A cell is a dict that names a victim, which also judges, and what it was attacked with:
    dataset, model, defense, seed: the victim.
    attack: present in cells of adversarial sets.
    source: the victim that the images were made on, as model/defense with the same seed; absent or None if they were
        made on the victim itself.

An exhibit is a dict that describes a table or a figure:
    name: the path of its file, without the suffix.
    module: the module in foolflow/tables or foolflow/figures whose function `build` makes it.
    spec: the argument of that function.
    caption: a file in report/.
    labels: its labels in Snakemake's report.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from foolflow.data.cells import VICTIM, model_and_defense, source_of
from foolflow.models.kinds import is_supplied

Config = Mapping[str, Any]
Cell = dict[str, Any]
Exhibit = dict[str, Any]


def victims_of(cells: Iterable[Mapping[str, Any]]) -> list[Cell]:
    """Return the victims of the cells, without duplicates, in order."""
    return _unique({key: cell[key] for key in VICTIM} for cell in cells)


def sets_of(cells: Iterable[Mapping[str, Any]]) -> list[Cell]:
    """Return the adversarial sets of the cells, without duplicates, in order: each an attacked victim and an attack."""
    return _unique(
        {"dataset": cell["dataset"], **attacked(cell), "seed": cell["seed"], "attack": cell["attack"]} for cell in cells
    )


def attacked(cell: Mapping[str, Any]) -> dict[str, str]:
    """Return the model and the defense of the victim that a cell's images were made on."""
    model, defense = model_and_defense(source_of(cell))
    return {"model": model, "defense": defense}


def _unique(rows: Iterable[Cell]) -> list[Cell]:
    return list({tuple(row.values()): row for row in rows}.values())


def entries(config: Config, study: str, key: str) -> Sequence[Any]:
    """Return a list from a study's part of the config; empty if the config does not contain the study."""
    return config["studies"].get(study, {}).get(key, [])


def exhibit(name: str, module: str, spec: Any, caption: str, labels: Mapping[str, str]) -> Exhibit:
    return {"name": name, "module": module, "spec": spec, "caption": caption, "labels": dict(labels)}


def labels(result: str, cells: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the labels of an exhibit that shows these cells."""
    rows = list(cells)

    def listed(key: str) -> str:
        return ", ".join(dict.fromkeys(str(row[key]) for row in rows if key in row)) or "none"

    return {"result": result, "data set": listed("dataset"), "model": listed("model"), "attack": listed("attack")}


def selection(attack: Config) -> str:
    """Describe which images an attack runs on."""
    return next((f"{key} {attack[key]}" for key in ("images", "per_class") if key in attack), "all images")


def minimises_flow(attack: Config) -> bool:
    """Whether it is a stAdv that looks for the least flow that fools the victim, and not further or at a fixed tau.

    A fixed tau weighs the flow against logits, so the flow depends on their scale.
    """
    parameters = attack.get("parameters", {})
    free = parameters.get("tau", "auto") == "auto" and not parameters.get("kappa", 0)
    return free and attack.get("method") == "stadv"


def study_seeds(config: Config, study: str) -> list[int]:
    """Return the training seeds of a study: its own `seeds` or, without them, those of the config."""
    return config["studies"].get(study, {}).get("seeds", config["seeds"])


def seeds_of(config: Config, study: str, model: str) -> list[int]:
    """Return the training seeds of a model's victims in a study.

    Supplied weights are one victim, which has the first seed, and so is a model that costs too much to train again.
    """
    seeds, entry = study_seeds(config, study), config["models"][model]
    return seeds[:1] if is_supplied(entry) or entry.get("one_seed") else seeds


def sources_with(config: Config, study: str, seed: int, names: Iterable[str]) -> list[str]:
    """Return those of the victims `names` (model/defense) that the study has with this seed."""
    return [name for name in names if seed in seeds_of(config, study, model_and_defense(name)[0])]


def trained_defenses(config: Config) -> list[str]:
    """Return the defenses that train their own weights; the others only filter the input of the undefended model."""
    return ["none", *(name for name, defense in config["defenses"].items() if "train" in defense["at"])]


def undefended_victims(config: Config, study: str, datasets: Iterable[str], models: Iterable[str]) -> Iterator[Cell]:
    """Yield the undefended victims of these data sets and models in a study, grouped by data set."""
    models = list(models)
    for dataset in datasets:
        for model in models:
            for seed in seeds_of(config, study, model):
                yield {"dataset": dataset, "model": model, "defense": "none", "seed": seed}
