"""R1: stAdv on MNIST and FashionMNIST, the effect of its parameters, and why a reproduction of it failed."""

from collections.abc import Iterator
from typing import Any

from foolflow.studies.cells import (
    Cell,
    Config,
    Exhibit,
    exhibit,
    labels,
    minimises_flow,
    study_seeds,
    undefended_victims,
    victims_of,
)
from foolflow.workflow.config.calls import method_problems
from foolflow.workflow.config.names import unknown

TITLE = "stAdv"
QUESTION = (
    "Can an image be moved a little, instead of changed pixel by pixel, until it is classified as any class one likes?"
)
SHOWS_ALL_SPLITS = True  # the table of accuracies has train and val besides test
FLOWING = ("stadv", "stadv_students")  # our methods that move pixels by a flow


def victims(config: Config) -> list[Cell]:
    """Return the victims of the accuracy table, grouped by data set; the other networks come last."""
    study = config["studies"]["stadv"]
    others = [
        victim
        for entry in study.get("others", [])
        for victim in undefended_victims(config, "stadv", [entry["dataset"]], entry["models"])
    ]
    return victims_of([*_own_victims(config), *others])


def _own_victims(config: Config) -> list[Cell]:
    """Return the victims of R1's networks, without the others."""
    study = config["studies"]["stadv"]
    return list(undefended_victims(config, "stadv", study["datasets"], study["models"]))


def attacks(config: Config) -> list[Cell]:
    """Return a cell for the study's attack on each of its victims."""
    return [victim | {"attack": config["studies"]["stadv"]["attack"]} for victim in victims(config)]


def literal(config: Config) -> list[Cell]:
    """Return a cell for the attack at the paper's tau on each of R1's networks, if the study has such an attack."""
    attack = config["studies"]["stadv"].get("literal")
    return [victim | {"attack": attack} for victim in _own_victims(config)] if attack else []


def students(config: Config) -> list[Cell]:
    """Return a cell for the students' attack on each network that they built, if the study has such an attack."""
    own = config["studies"]["stadv"].get("students") or {"models": [], "attack": None}
    return [victim | {"attack": own["attack"]} for victim in _own_victims(config) if victim["model"] in own["models"]]


def _literal_words(config: Config) -> str:
    attack = config["studies"]["stadv"].get("literal")
    return f"{attack} (tau {config['attacks'][attack].get('parameters', {}).get('tau', 'auto')})" if attack else ""


def grids(config: Config) -> list[Cell]:
    """Return a cell for the attack towards every class on each of R1's networks, if the study has such an attack."""
    grid = config["studies"]["stadv"].get("grid")
    return [victim | {"attack": grid} for victim in _own_victims(config)] if grid else []


def varied(explored: Config) -> list[Cell]:
    """Return the attacks that an exploration adds: one for each value of each parameter, named after both."""
    return [
        {"parameter": parameter, "value": value, "attack": f"{explored['attack']}-{parameter}-{value}"}
        for parameter, values in explored["parameters"].items()
        for value in values
    ]


def explored_attacks(config: Config) -> dict[str, Any]:
    """Return the config entries of the attacks that the explorations add, by name."""
    explored = config["studies"].get("stadv", {}).get("explorations")
    if explored is None:
        return {}
    entry = config["attacks"][explored["attack"]]
    return {
        setting["attack"]: entry
        | {"parameters": entry.get("parameters", {}) | {setting["parameter"]: setting["value"]}}
        for setting in varied(explored)
    }


def settings(config: Config) -> list[Cell]:
    """Return a cell for each value of each varied parameter, on each model."""
    explored = config["studies"]["stadv"].get("explorations")
    if explored is None:
        return []
    return [
        {
            "dataset": explored["dataset"],
            "model": model,
            "defense": "none",
            "seed": study_seeds(config, "stadv")[0],
            **setting,
        }
        for model in explored["models"]
        for setting in varied(explored)
    ]


def steps(config: Config) -> list[Cell]:
    """Return a cell for each step of the post-mortem, with how its success is counted."""
    study = config["studies"]["stadv"].get("post_mortem")
    if study is None:
        return []
    shared = {"any_class": False, "clean_errors": False, "defense": "none", "seed": study_seeds(config, "stadv")[0]}
    return [shared | {"dataset": study["dataset"]} | step for step in study["steps"]]


def cells(config: Config) -> list[Cell]:
    own = [*attacks(config), *literal(config), *students(config), *grids(config)]
    return [*own, *settings(config), *steps(config)]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    attacked = attacks(config)
    found = [
        exhibit(
            "stadv_accuracy",
            "accuracy",
            {"title": "Accuracy of the networks", "victims": victims(config), "reference": reference},
            "accuracy_table.rst",
            labels("table: accuracy", victims(config)),
        ),
        exhibit(
            "stadv_success",
            "stadv",
            {"title": "stAdv: success", "attacked": attacked, "reference": reference}
            | {"literal": literal(config), "literal_words": _literal_words(config), "students": students(config)},
            "stadv_success.rst",
            labels("table: attack success", attacked),
        ),
    ]
    if settings(config):
        explored = config["studies"]["stadv"]["explorations"]
        parameters = config["attacks"][explored["attack"]].get("parameters", {})
        fixed = ", ".join(f"{key} {value}" for key, value in parameters.items())
        spec = {"title": _explorations_title(config), "fixed": fixed, "settings": settings(config)}
        found.append(
            exhibit(
                "stadv_explorations",
                "explorations",
                spec,
                "explorations.rst",
                labels("table: explorations", settings(config)),
            )
        )
    if steps(config):
        spec = {"title": _post_mortem_title(config), "steps": steps(config)}
        found.append(
            exhibit(
                "stadv_post_mortem",
                "post_mortem",
                spec,
                "post_mortem.rst",
                labels("table: post-mortem", steps(config)),
            )
        )
    return found


def figures(config: Config) -> list[Exhibit]:
    found = [
        exhibit(
            "stadv_accuracy",
            "accuracy_dots",
            {"title": "Accuracy of the networks", "table": "stadv_accuracy"},
            "accuracy.rst",
            labels("figure: accuracy", victims(config)),
        )
    ]
    if settings(config):
        spec = {"title": _explorations_title(config), "table": "stadv_explorations"}
        words = labels("figure: explorations", settings(config))
        found.append(exhibit("stadv_explorations", "explorations", spec, "explorations.rst", words))
    if steps(config):
        spec = {"title": _post_mortem_title(config), "table": "stadv_post_mortem"}
        words = labels("figure: post-mortem", steps(config))
        found.append(exhibit("stadv_post_mortem", "waterfall", spec, "post_mortem.rst", words))
    attack = config["attacks"][config["studies"]["stadv"]["attack"]]
    if "python" in attack or minimises_flow(attack):
        found.append(_flow_budget(config))
    for cell in attacks(config):
        found += [_images(cell, "attack_sheet", "attack_sheet"), _images(cell, "flow", "flow_arrows")]
    return [*found, *(_images(cell, "target_grid", "target_grid") for cell in grids(config))]


def _flow_budget(config: Config) -> Exhibit:
    several_seeds = len(study_seeds(config, "stadv")) > 1
    cells = [
        cell | {"panel": cell["dataset"], "name": cell["model"] + (f" (seed {cell['seed']})" if several_seeds else "")}
        for cell in attacks(config)
    ]
    words = labels("figure: accuracy against a budget of flow", cells)
    spec = {"attacked": cells, "targeted": "targets" in config["attacks"][config["studies"]["stadv"]["attack"]]}
    return exhibit("stadv_flow_budget", "flow_budget", spec, "flow_budget.rst", words)


def _images(cell: Cell, kind: str, module: str) -> Exhibit:
    return exhibit(
        f"{kind}/" + "{dataset}/{model}/{defense}/{seed}/{attack}".format(**cell),
        module,
        {"title": "{attack} on {dataset}, {model}".format(**cell), "cell": cell},
        f"{kind}.rst",
        labels(f"figure: {kind.replace('_', ' ')} (seed {cell['seed']})", [cell]),
    )


def _explorations_title(config: Config) -> str:
    explored = config["studies"]["stadv"]["explorations"]
    return f"{explored['attack']} on {explored['dataset']}: one parameter varied at a time"


def _post_mortem_title(config: Config) -> str:
    dataset = config["studies"]["stadv"]["post_mortem"]["dataset"]
    return f"What each mistake cost: stAdv on {dataset} from the students' settings to ours"


def _named(study: Config) -> Iterator[tuple[str, Config, dict[str, str]]]:
    """Yield each part of the study: its key, its entry, and for each field the kind of entry that it names."""
    key, post_mortem = "studies.stadv", study.get("post_mortem", {})
    own = {"datasets": "datasets", "models": "models", "attack": "attacks", "literal": "attacks", "grid": "attacks"}
    yield key, study, own
    for index, entry in enumerate(study.get("others", [])):
        yield f"{key}.others.{index}", entry, {"dataset": "datasets", "models": "models"}
    yield f"{key}.students", study.get("students") or {}, {"models": "models", "attack": "attacks"}
    explored = {"dataset": "datasets", "models": "models", "attack": "attacks"}
    yield f"{key}.explorations", study.get("explorations", {}), explored
    yield f"{key}.post_mortem", post_mortem, {"dataset": "datasets"}
    for index, step in enumerate(post_mortem.get("steps", [])):
        yield f"{key}.post_mortem.steps.{index}", step, {"model": "models", "attack": "attacks"}


def _exploration_problems(explored: Config, attacks: Config) -> Iterator[str]:
    """Report parameters that the explored attack does not take, and names of added attacks that already exist."""
    key, attack, added = "studies.stadv.explorations", attacks[explored["attack"]], varied(explored)
    names = [setting["attack"] for setting in added]
    for parameter, value, name in (setting.values() for setting in added):
        if name in attacks or names.count(name) > 1:
            yield f"{key}.parameters.{parameter}: {value!r} would add a second attack named {name}"
        if ":" not in attack.get("method", ":"):
            parameters = attack.get("parameters", {}) | {parameter: value}
            yield from method_problems(key, "attacks", attack["method"], parameters)


def _attack_problems(key: str, name: str, attack: Config | None) -> Iterator[str]:
    """Report an attack without the targets that its success depends on, or without the flow that is measured.

    attack: None if its name is unknown.
    """
    if attack is None:
        return
    if key.endswith(".grid"):
        if attack.get("targets") != "all":
            yield f"{key}: {name} needs `targets: all`; the grid shows each image towards every other class"
        return
    if attack.get("targets") != "random":
        yield f"{key}: {name} needs `targets: random`, one class for each image"
    if "python" not in attack and attack.get("method") not in FLOWING:  # the user's own code may return a flow, too
        yield f"{key}: {name} has no flow; it needs method {' or '.join(FLOWING)}"


def problems(config: Config) -> Iterator[str]:
    """Report unknown names, attacks without targets or a flow, and parameters that cannot be explored."""
    study, attacks = config["studies"]["stadv"], config["attacks"]
    for key, part, fields in _named(study):
        for field, kind in fields.items():
            names = part.get(field) or []
            names = [names] if isinstance(names, str) else names
            yield from unknown(f"{key}.{field}", names, kind, config[kind])
            if kind == "attacks":
                for name in names:
                    yield from _attack_problems(f"{key}.{field}", name, attacks.get(name))
    for model in (study.get("students") or {}).get("models", []):
        if model not in study["models"]:
            yield f"studies.stadv.students.models: {model} is not among studies.stadv.models"
    if study.get("explorations", {}).get("attack") in attacks:
        yield from _exploration_problems(study["explorations"], attacks)
