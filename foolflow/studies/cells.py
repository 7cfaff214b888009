"""What the studies share: cells, which say who is attacked with what and who judges it, and exhibits.

A cell is a dict with `dataset`, `model`, `defense` and `seed`, the victim; where they matter, `attack` and
`source`, the victim that the images were made on (model/defense, of the same seed; none or null: the victim itself).

An exhibit is a table or a figure: `name`, its file's path without the suffix; `module`, which has its function `build`,
below foolflow/tables or foolflow/figures; `spec`, what that function is given; `caption`, a file in report/; `labels`,
what Snakemake's report lists it by.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]
Cell = dict[str, Any]
Exhibit = dict[str, Any]

VICTIM = ("dataset", "model", "defense", "seed")


def victims_of(cells: Iterable[Mapping[str, Any]]) -> list[Cell]:
    """The victims of the cells, each once, in order."""
    return _unique({key: cell[key] for key in VICTIM} for cell in cells)


def sets_of(cells: Iterable[Mapping[str, Any]]) -> list[Cell]:
    """The adversarial sets of the cells, each once, in order: the victims that were attacked, and the attacks."""
    return _unique(
        {"dataset": cell["dataset"], **attacked(cell), "seed": cell["seed"], "attack": cell["attack"]} for cell in cells
    )


def attacked(cell: Mapping[str, Any]) -> dict[str, str]:
    """The model and the defense of the victim that the images of a cell were made on."""
    model, _, defense = source_of(cell).partition("/")
    return {"model": model, "defense": defense}


def source_of(cell: Mapping[str, Any]) -> str:
    return cell.get("source") or f"{cell['model']}/{cell['defense']}"


def _unique(rows: Iterable[Cell]) -> list[Cell]:
    return list({tuple(row.values()): row for row in rows}.values())


def entries(config: Config, study: str, key: str) -> Sequence[Any]:
    """A list in a study's part of the config; empty if the config has no such study."""
    return config["studies"].get(study, {}).get(key, [])


def exhibit(name: str, module: str, spec: Any, caption: str, labels: Mapping[str, str]) -> Exhibit:
    return {"name": name, "module": module, "spec": spec, "caption": caption, "labels": dict(labels)}


def labels(result: str, cells: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The labels of an exhibit about several data sets, models and attacks at once."""
    rows = list(cells)

    def listed(key: str) -> str:
        return ", ".join(dict.fromkeys(str(row[key]) for row in rows if key in row)) or "none"

    return {"result": result, "data set": listed("dataset"), "model": listed("model"), "attack": listed("attack")}


def trained_defenses(config: Config) -> list[str]:
    """The defenses with a training of their own; the others act at test alone, in front of the undefended weights."""
    return ["none", *(name for name, defense in config["defenses"].items() if "train" in defense["at"])]


def in_order(config: Config, datasets: Iterable[str], models: Iterable[str]) -> Iterator[Cell]:
    """The undefended victims of some data sets and models, data set by data set."""
    models = list(models)
    for dataset in datasets:
        for model in models:
            for seed in config["seeds"]:
                yield {"dataset": dataset, "model": model, "defense": "none", "seed": seed}
