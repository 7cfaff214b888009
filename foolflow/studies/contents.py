"""What the page shows of each study: its question, its setup, its tables and its figures."""

import importlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from foolflow.data.cells import model_and_defense, source_of
from foolflow.defenses.kinds import GRADIENTS
from foolflow.models.kinds import FACTORIES, GRAPHS
from foolflow.statistics.budget import size_in_words
from foolflow.studies import leaderboard, robustness
from foolflow.studies.cells import Cell, Config, Exhibit
from foolflow.studies.robustness import shown_attack
from foolflow.workflow.project import project_folder

DEFENSE_ACTS = {("test",): "filters the input", ("train",): "changes the training"}


def study_module(name: str) -> Any:
    return importlib.import_module(f"foolflow.studies.{name}")


def contents(config: Config) -> list[dict[str, Any]]:
    """Return a section for each study of the config: name, title, question, setup, tables and figures.

    setup: see `setup`.  tables, figures: each with its `name` and `caption`. A figure also has a `title`; the job that
    makes a table gives it one.
    """
    return [_section(config, name) for name in config["studies"]]


def _section(config: Config, name: str) -> dict[str, Any]:
    module = study_module(name)
    return {
        "name": name,
        "title": module.TITLE,
        "question": module.QUESTION,
        "setup": setup(config, module.cells(config)),
        "tables": [_shown(one) for one in module.tables(config, None)],
        "figures": [_shown(one) | {"title": _title(one)} for one in figures(config, name)],
    }


def figures(config: Config, name: str) -> list[Exhibit]:
    """Return all figures of a study, including those that have a rule of their own."""
    module = study_module(name)
    extra = module.extra_figures(config) if hasattr(module, "extra_figures") else []
    return [*module.figures(config), *extra]


def judged(config: Config) -> list[Cell]:
    """Return the cells of all studies that were judged, each with its `study`, without duplicates."""
    keys = ("dataset", "model", "defense", "seed", "attack")
    found = {
        (*(cell[key] for key in keys), source_of(cell)): {key: cell[key] for key in keys}
        | {"source": cell.get("source"), "study": name}
        for name in config["studies"]
        for cell in study_module(name).cells(config)
    }
    return list(found.values())


def read_by_page(config: Config) -> list[Cell]:
    """Return the cells whose judgements the page reads: those that it shows, and those that its answer compares.

    Several studies may have judged the same adversarial set; the page shows one of these judgements, but the answer is
    that of the study that ranks the victims.
    """
    return [*judged(config), *(attempt for board in boards(config) for attempt in board["attempts"])]


def _shown(exhibit: Exhibit) -> dict[str, str]:
    caption = project_folder() / "report" / exhibit["caption"]
    text = " ".join(Path(caption).read_text(encoding="utf-8").split())
    return {"name": exhibit["name"], "caption": text}


def _title(figure: Exhibit) -> str:
    """Return what a figure shows, and of what, from its labels."""
    about = figure["labels"]
    result = about["result"].removeprefix("figure: ")
    where = [about[key] for key in ("model", "data set") if about.get(key, "none") != "none"]
    return f"{result[:1].upper()}{result[1:]}: {' on '.join(where)}"


def setup(config: Config, cells: Iterable[Cell]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Describe what a study attacked, and how. Return headings, each with pairs of a name and what it stands for."""
    rows = list(cells)
    datasets = dict.fromkeys(cell["dataset"] for cell in rows)
    models = dict.fromkeys(cell["model"] for cell in rows)
    models |= dict.fromkeys(model_and_defense(source_of(cell))[0] for cell in rows)
    defenses = dict.fromkeys(cell["defense"] for cell in rows if cell["defense"] != "none")
    attacks = dict.fromkeys(cell["attack"] for cell in rows)
    seeds = dict.fromkeys(cell["seed"] for cell in rows)
    found = [
        ("Data", [(name, _source(name, config["datasets"][name])) for name in datasets]),
        ("Models", [(name, _network(config["models"][name])) for name in models]),
        ("Defenses", [(name, _defense(config["defenses"][name])) for name in defenses]),
        (
            "Attacks",
            [
                (
                    shown_attack(name),
                    _attack(config["attacks"][name], defended=bool(defenses), at_most=shown_attack(name) != name),
                )
                for name in attacks
            ],
        ),
        ("Training seeds", [(str(seed), "") for seed in seeds] if len(seeds) > 1 else []),
    ]
    return [(heading, entries) for heading, entries in found if entries]


def _source(name: str, entry: Mapping[str, Any]) -> str:
    read = {name: "", "folder": f"images in {entry.get('path')}", "npz": f"arrays in {entry.get('path')}"}
    sizes = [f"{key} {_value(entry[key])}" for key in ("size", "resize", "crop", "channels") if key in entry]
    return ", ".join(part for part in (read.get(entry["source"], entry["source"]), "test split", *sizes) if part)


def _network(entry: Mapping[str, Any]) -> str:
    kind = next(key for key in (*FACTORIES, *GRAPHS) if key in entry)
    given = f"{kind} {entry[kind]}{_arguments(entry.get('arguments', {}))}"
    if "weights" in entry:
        return f"{given}, weights {entry['weights']}"
    if "training" not in entry:
        return given
    return f"{given}, trained here for at most {entry['training']['epochs']} epochs"


def _defense(entry: Mapping[str, Any]) -> str:
    acts = DEFENSE_ACTS.get(tuple(entry["at"]), "changes the training and filters the input")
    method = entry.get("method") or entry["python"]
    words = [f"{method}{_arguments(entry.get('parameters', {}))}", acts, GRADIENTS.get(method)]
    return "; ".join(word for word in words if word)


def _attack(entry: Mapping[str, Any], *, defended: bool, at_most: bool) -> str:
    """Describe an attack. at_most: its number of images is a limit; a budget or the data set may allow fewer."""
    method = entry.get("method") or entry["python"]
    words = f"{method}{_arguments(entry.get('parameters', {}))}"
    if "targets" in entry:
        words += f", targets {entry['targets']}"
    if defended and entry.get("filter_gradient", "own") != "own":
        words += f", gradient of the filter {entry['filter_gradient']}"
    if isinstance(samples := entry.get("samples"), int):
        words += f", mean of {samples} passes of a random victim"
    images = f"{entry.get('images', 0):,} image{'' if entry.get('images') == 1 else 's'}"
    amount = [f"at most {images}" if at_most else images] if "images" in entry else []
    per_class = entry.get("per_class", 0)
    amount += [f"{per_class:,} image{'' if per_class == 1 else 's'} per class"] if per_class else []
    return ", ".join([words, *amount])


def _arguments(given: Mapping[str, Any]) -> str:
    return "" if not given else " with " + ", ".join(f"{key} {_value(value)}" for key, value in given.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value)) if len(value) < 2 else f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "+".join(str(part) for part in value.values() if not isinstance(part, Mapping))
    if isinstance(value, float):
        return "∞" if math.isinf(value) else size_in_words(value)  # a norm
    return str(value)


def boards(config: Config) -> list[dict[str, Any]]:
    """Return what the page's answer compares: the victims of one data set under one threat model.

    Each has `title`, `dataset`, `norm` and `epsilon` (None: perturbations of any size), `table` (the name of the table
    with the accuracies, or None), and `attempts`, the cells of the attacks that count, each with its `study`.
    """
    found = []
    if "robustness" in config["studies"]:
        found.append(_robustness_board(config))
    for spec in leaderboard.specs(config) if "leaderboard" in config["studies"] else []:
        board = spec["board"]
        attempts = [cell | {"study": "leaderboard"} for cell in spec["attempts"]]
        found.append(
            {"title": board["name"], "dataset": board["dataset"], "table": f"leaderboard/{board['name']}"}
            | {key: board.get(key) for key in ("norm", "epsilon")}
            | {"attempts": attempts}
        )
    return found or _any_size(config)


def _robustness_board(config: Config) -> dict[str, Any]:
    shown = robustness.spec(config)
    attempts = [
        victim | {"attack": one["set"], "source": None, "study": "robustness"}
        for victim in shown["victims"]
        for one in shown["attacks"]
        if one["counts"]
    ]
    return {key: shown[key] for key in ("dataset", "norm", "epsilon")} | {
        "title": robustness.TITLE,
        "table": "robustness",
        "attempts": attempts,
    }


def _any_size(config: Config) -> list[dict[str, Any]]:
    """Without a study that ranks victims: all victims of each data set, under all attacks that were judged."""
    cells = judged(config)
    return [
        {"title": "All attacks", "dataset": dataset, "norm": None, "epsilon": None, "table": None}
        | {"attempts": [cell for cell in cells if cell["dataset"] == dataset]}
        for dataset in dict.fromkeys(cell["dataset"] for cell in cells)
    ]
