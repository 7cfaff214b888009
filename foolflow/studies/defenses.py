"""R3 and beyond: defenses under static, white-box, adaptive and black-box attacks."""

from collections.abc import Iterator
from typing import Any

from foolflow.attacks.norms import WITHOUT_NORM, epsilon_norm, has_ball
from foolflow.defenses.kinds import has_filter
from foolflow.models.kinds import is_supplied
from foolflow.studies.cells import (
    Cell,
    Config,
    Exhibit,
    entries,
    exhibit,
    labels,
    minimises_flow,
    seeds_of,
    study_seeds,
    trained_defenses,
    victims_of,
)
from foolflow.workflow.config.names import invalid_names, several_images, several_sizes, unknown

TITLE = "Defenses"
QUESTION = "Which defenses still work when the attacker knows them?"
KINDS = ("static", "white_box", "adaptive", "black_box")


def evaluations(config: Config) -> dict[str, Any]:
    """Return the evaluations of the study, by name."""
    return {entry["name"]: entry for entry in entries(config, "defenses", "evaluations")}


def table_cells(config: Config, entry: Config) -> list[Cell]:
    """Return a cell for every victim of an evaluation under every attack, grouped by victim and kind.

    repeats: of an adaptive attack, the white-box attack that it repeats on a victim without a filter, where it does not
    run; None: there is none.  method: of the attack, or the user's own code.
    """
    return [
        {"dataset": entry["dataset"], "model": model, "defense": defense, "seed": seed}
        | {"kind": kind, "attack": attack, "source": f"{model}/none" if kind == "static" else None}
        | {"epsilon_norm": epsilon_norm(config["attacks"][attack])}
        | {"repeats": _repeated(config, entry, attack) if kind == "adaptive" else None}
        | {"method": config["attacks"][attack].get("method") or config["attacks"][attack]["python"]}
        for model in entry["models"]
        for defense in entry["defenses"]
        for seed in seeds_of(config, "defenses", model)
        for kind in KINDS
        for attack in entry.get(kind, [])
        if kind != "adaptive" or _has_filter(config, defense) or _repeated(config, entry, attack) is None
    ]


def minimal_cells(config: Config, entry: Config) -> list[Cell]:
    """Return the cells of the minimal attacks that were made on the victims themselves, each set once."""
    found = {
        (cell["model"], cell["defense"], cell["seed"], cell["attack"]): cell
        for cell in reversed(table_cells(config, entry))
        if cell["kind"] != "static" and _is_minimal(config["attacks"][cell["attack"]])
    }
    return list(found.values())[::-1]


def _is_minimal(attack: Config) -> bool:
    """Whether it looks for the smallest perturbation that fools the victim; a corruption does not look for one."""
    if attack.get("method") in WITHOUT_NORM:
        return minimises_flow(attack)
    return not has_ball(attack) and attack.get("method") != "corrupt"


def _repeated(config: Config, entry: Config, attack: str) -> str | None:
    """Return the white-box attack that an adaptive one repeats if the victim has no filter to adapt to."""
    if "filter_gradient" not in config["attacks"][attack]:
        return None
    adaptive = _without_filter(config["attacks"][attack])
    return next(
        (name for name in entry.get("white_box", []) if _without_filter(config["attacks"][name]) == adaptive), None
    )


def _without_filter(attack: Config) -> Config:
    return {key: value for key, value in attack.items() if key != "filter_gradient"}


def _has_filter(config: Config, defense: str) -> bool:
    return defense != "none" and has_filter(config["defenses"][defense])


def strengths(config: Config) -> list[Config]:
    """Return the parts of the evaluations that show filters at several strengths, each with its name and data set."""
    return [
        {"name": name, "dataset": entry["dataset"], **entry["strengths"]}
        for name, entry in evaluations(config).items()
        if "strengths" in entry
    ]


def strength_cells(config: Config, entry: Config) -> list[Cell]:
    """Return a cell for every filter, after no filter, under every attack, with its method, parameter and value."""
    return [
        {"dataset": entry["dataset"], "model": model, "defense": defense, "seed": seed}
        | {"kind": kind, "attack": attack, "source": f"{model}/none" if kind == "static" else None}
        | _strength(config, defense)
        for model in entry["models"]
        for seed in seeds_of(config, "defenses", model)
        for defense in ("none", *entry["defenses"])
        for kind in ("static", "adaptive")
        for attack in entry.get(kind, [])
    ]


def _strength(config: Config, defense: str) -> dict[str, Any]:
    if defense == "none":
        return {"method": "", "parameter": "", "value": ""}
    filtering = config["defenses"][defense]
    ((parameter, value),) = filtering["parameters"].items()
    return {"method": filtering.get("method") or filtering["python"], "parameter": parameter, "value": value}


def cells(config: Config) -> list[Cell]:
    return [
        *(cell for entry in evaluations(config).values() for cell in table_cells(config, entry)),
        *(cell for entry in strengths(config) for cell in strength_cells(config, entry)),
    ]


def trained(config: Config) -> list[Cell]:
    """Return the victims of all evaluations that are trained here and have their own weights."""
    return [
        victim
        for victim in victims_of(cells(config))
        if victim["defense"] in trained_defenses(config) and not is_supplied(config["models"][victim["model"]])
    ]


def squeezed(config: Config) -> list[Cell]:
    """Return the undefended victims whose images are shown before and after the filters of an evaluation.

    Each cell also has the `evaluation`, the `attack` and the `filters`, which are names of defenses.
    """
    found = []
    for name, entry in evaluations(config).items():
        names = [defense for defense in entry["defenses"] if _has_filter(config, defense)]
        if "examples" in entry and names:
            found += [
                {"dataset": entry["dataset"], "model": model, "defense": "none", "seed": seed}
                | {"attack": entry["examples"], "evaluation": name, "filters": names}
                for model in entry["models"]
                for seed in seeds_of(config, "defenses", model)
            ]
    return found


def tables(config: Config, reference: Any) -> list[Exhibit]:
    evaluated = evaluations(config).values()
    return [
        *(_table(config, entry, reference) for entry in evaluated),
        *(_cost(config, entry) for entry in evaluated),
        *(_distances(entry, found) for entry in evaluated if (found := minimal_cells(config, entry))),
        *(_strengths(config, entry) for entry in strengths(config)),
    ]


def _table(config: Config, entry: Config, reference: Any) -> Exhibit:
    about = table_cells(config, entry)
    spec = {
        "title": entry["title"],
        "dataset": entry["dataset"],
        "roles": entry.get("masking"),
        "cells": about,
        "reference": reference,
    }
    return exhibit(
        f"defenses_{entry['name']}", "defenses", spec, "defenses.rst", labels(f"table: {entry['name']}", about)
    )


def _cost(config: Config, entry: Config) -> Exhibit:
    about = table_cells(config, entry)
    with_history = trained(config)
    spec = {
        "title": f"What each defense costs: {entry['title']}",
        "victims": [
            victim
            | {"trained": victim in with_history, "cells": [cell for cell in about if victims_of([cell]) == [victim]]}
            for victim in victims_of(about)
        ],
    }
    words = labels(f"table: cost of the defenses, {entry['name']}", victims_of(about))
    return exhibit(f"defenses_cost_{entry['name']}", "defenses_cost", spec, "defenses_cost.rst", words)


def _distances(entry: Config, about: list[Cell]) -> Exhibit:
    spec = {"title": f"How much attacks without a bound change the images: {entry['title']}", "cells": about}
    words = labels(f"table: distances, {entry['name']}", about)
    return exhibit(f"defenses_distances_{entry['name']}", "defenses_distances", spec, "defenses_distances.rst", words)


def _strengths(config: Config, entry: Config) -> Exhibit:
    about = strength_cells(config, entry)
    words = labels(f"table: strengths, {entry['name']}", about)
    spec = {"title": entry["title"], "cells": about}
    return exhibit(f"strengths_{entry['name']}", "strengths", spec, "strengths_table.rst", words)


def _strength_figures(config: Config) -> Iterator[Exhibit]:
    for entry in strengths(config):
        name = f"strengths_{entry['name']}"
        for model in entry["models"]:
            for seed in seeds_of(config, "defenses", model):
                cell = {"dataset": entry["dataset"], "model": model}
                words = labels(f"figure: strengths, {entry['name']} (seed {seed})", [cell])
                spec = {"title": f"{entry['title']}: {model}", "table": name, "model": model, "seed": seed}
                yield exhibit(f"{name}/{model}/{seed}", "strengths", spec, "strengths.rst", words)


def figures(config: Config) -> list[Exhibit]:
    shown = [*(_training(victim) for victim in trained(config)), *_strength_figures(config), *_flow_budgets(config)]
    for index, cell in enumerate(squeezed(config)):
        shown += [_squeezed(index, cell, name) for name in cell["filters"]]
    return list({one["name"]: one for one in shown}.values())  # two evaluations may share a filter and an attack


def _flow_budgets(config: Config) -> Iterator[Exhibit]:
    """Yield a figure for each stAdv of an evaluation that minimises the flow and was made on the victims themselves."""
    several_seeds = len(study_seeds(config, "defenses")) > 1
    for name, entry in evaluations(config).items():
        for attack in dict.fromkeys(attack for kind in KINDS for attack in entry.get(kind, [])):
            cells = [
                cell
                | {"panel": "{dataset}, {model}".format(**cell)}
                | {"name": cell["defense"] + (f" (seed {cell['seed']})" if several_seeds else "")}
                for cell in table_cells(config, entry)
                if cell["attack"] == attack and cell["kind"] != "static"
            ]
            if cells and minimises_flow(config["attacks"][attack]):
                spec = {"attacked": cells, "targeted": "targets" in config["attacks"][attack]}
                words = labels(f"figure: accuracy under {attack} against a budget of flow", cells)
                yield exhibit(f"flow_budget/{name}/{attack}", "flow_budget", spec, "flow_budget.rst", words)


def _training(victim: Cell) -> Exhibit:
    return exhibit(
        "training/{dataset}/{model}/{defense}/{seed}".format(**victim),
        "training_curves",
        {"title": "{model} on {dataset}, defense {defense}, seed {seed}".format(**victim), "cell": victim},
        "training.rst",
        labels("figure: training (defense {defense}, seed {seed})".format(**victim), [victim]),
    )


def _squeezed(index: int, cell: Cell, name: str) -> Exhibit:
    title = "{attack} on {dataset}, {model}, before and after {name}".format(**cell, name=name)
    return exhibit(
        "squeezed/{dataset}/{model}/{name}/{seed}/{attack}".format(**cell, name=name),
        "squeezed",
        {"title": title, "index": index, "filter": name},
        "squeezed.rst",
        labels(f"figure: images of {cell['attack']} filtered by {name} (seed {cell['seed']})", [cell]),
    )


def problems(config: Config) -> Iterator[str]:
    """Report unknown and repeated names, attacks with several epsilons, and examples of no filter."""
    yield from _strength_problems(config)
    listed = config["studies"]["defenses"]["evaluations"]
    yield from invalid_names("studies.defenses.evaluations", listed, config)
    for index, entry in enumerate(listed):
        key = f"studies.defenses.evaluations.{index}"
        examples = [entry["examples"]] if "examples" in entry else []
        kinds = {kind: entry.get(kind, []) for kind in KINDS}
        for field, attacks in {**kinds, "examples": examples}.items():
            yield from unknown(f"{key}.{field}", attacks, "attacks", config["attacks"])
            yield from several_sizes(f"{key}.{field}", attacks, config)
            yield from several_images(f"{key}.{field}", attacks, config)
        yield from _nothing_filtered(key, entry, config)
        for role, attack in entry.get("masking", {}).items():
            yield from unknown(f"{key}.masking.{role}", [attack], "attacks of white_box", kinds["white_box"])


def _strength_problems(config: Config) -> Iterator[str]:
    """Report unknown names, attacks of several sizes or that are not adaptive, and defenses without one strength."""
    for index, evaluation in enumerate(config["studies"]["defenses"]["evaluations"]):
        if "strengths" not in evaluation:
            continue
        key, entry = f"studies.defenses.evaluations.{index}.strengths", evaluation["strengths"]
        yield from unknown(f"{key}.models", entry["models"], "models", config["models"])
        yield from unknown(f"{key}.defenses", entry["defenses"], "defenses", config["defenses"])
        for kind in ("static", "adaptive"):
            yield from unknown(f"{key}.{kind}", entry.get(kind, []), "attacks", config["attacks"])
            yield from several_sizes(f"{key}.{kind}", entry.get(kind, []), config)
            yield from several_images(f"{key}.{kind}", entry.get(kind, []), config)
        for name in entry.get("adaptive", []):  # where a filter has no gradient, others would do nothing
            if name in config["attacks"] and config["attacks"][name].get("filter_gradient", "own") == "own":
                yield f"{key}.adaptive: {name} is not adaptive; give it `filter_gradient: auto`"
        for name in entry["defenses"]:
            defense = config["defenses"].get(name)
            if defense is None:
                continue  # reported above
            if not has_filter(defense) or "train" in defense["at"] or len(defense.get("parameters", {})) != 1:
                yield (
                    f"{key}.defenses: {name} is no filter at test time with exactly one parameter, which would be its "
                    "strength"
                )


def _nothing_filtered(key: str, entry: Config, config: Config) -> Iterator[str]:
    """Report `examples`, which are shown before and after each filter, if no defense has a filter."""
    defenses = entry["defenses"]
    known = all(defense == "none" or defense in config["defenses"] for defense in defenses)
    if "examples" in entry and known and not any(_has_filter(config, defense) for defense in defenses):
        yield (
            f"{key}.examples: shows images before and after a filter, but no defense listed here has one "
            f"({', '.join(defenses)}); add a defense with a filter, or remove `examples`"
        )
