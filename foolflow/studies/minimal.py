"""R2: a zoo of MNIST networks, and the smallest perturbations that fool them."""

from collections.abc import Iterator, Sequence
from typing import Any

from foolflow.studies.cells import (
    Cell,
    Config,
    Exhibit,
    entries,
    exhibit,
    labels,
    seeds_of,
    selection,
    study_seeds,
    undefended_victims,
)
from foolflow.studies.controls import control_problems
from foolflow.workflow.config.names import several_sizes, unknown

TITLE = "Minimal perturbations"
QUESTION = "How far is the nearest adversarial image, and which attack finds it?"
ACCURACY = "Accuracy of the networks"
SHOWS_ALL_SPLITS = True  # the table of accuracies has train and val besides test
RESERVED = ("accuracy", "attacks", "speed", "security", "fixed_norm")  # names of the study's other tables and figures


def victims(config: Config) -> list[Cell]:
    study = config["studies"]["minimal"]
    return list(undefended_victims(config, "minimal", study["datasets"], study["models"]))


def attacks(config: Config) -> list[Cell]:
    """Return a cell for each attack on each undefended victim of the study, grouped by victim."""
    return [
        victim | {"attack": attack} for victim in victims(config) for attack in config["studies"]["minimal"]["attacks"]
    ]


def compared(config: Config, comparison: Config) -> list[Cell]:
    """Return a cell for each attack on each victim of a comparison, grouped by victim."""
    study = config["studies"]["minimal"]
    return [
        {"dataset": dataset, "model": model, "defense": defense, "seed": seed, "attack": attack}
        for dataset in study["datasets"]
        for model in comparison.get("models", study["models"])
        for defense in comparison.get("defenses", ["none"])
        for seed in seeds_of(config, "minimal", model)
        for attack in comparison["attacks"]
    ]


def fixed(config: Config, key: str = "attack") -> list[Cell]:
    """Return a cell for the attack at fixed norms on each of its victims, or for the one it is compared with.

    key: `attack` or `shortest`.
    """
    shown = config["studies"]["minimal"].get("fixed_norm")
    return [] if shown is None else compared(config, {**shown, "attacks": [shown[key]]})


def all_attacks(config: Config) -> list[Cell]:
    """Return the cells of `attacks`, of all comparisons and at fixed norms, without duplicates."""
    found = [*attacks(config)]
    others = [compared(config, comparison) for comparison in entries(config, "minimal", "comparisons")]
    for cells_of_one in (*others, fixed(config), fixed(config, "shortest")):
        found += [cell for cell in cells_of_one if cell not in found]
    return found


def perturbation(config: Config, model: str) -> Cell:
    """Return the cell of the perturbation figures of a model, on the study's first data set and the first seed."""
    study = config["studies"]["minimal"]
    victim = {
        "dataset": study["datasets"][0],
        "model": model,
        "defense": "none",
        "seed": study_seeds(config, "minimal")[0],
    }
    return victim | {"attack": study["perturbation"]["attack"]}


def controls(config: Config) -> list[Cell]:
    """Return a cell for the random noise on each victim; none without a control."""
    control = config["studies"]["minimal"].get("control")
    return [] if control is None else [victim | {"attack": control} for victim in victims(config)]


def cells(config: Config) -> list[Cell]:
    study = config["studies"]["minimal"]
    shown = dict.fromkeys([*study["models"], *study["perturbation"]["models"]])
    return [*all_attacks(config), *controls(config), *(perturbation(config, model) for model in shown)]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    attacked, everything = attacks(config), all_attacks(config)
    return [
        exhibit(
            "minimal_accuracy",
            "accuracy",
            {"title": ACCURACY, "victims": victims(config), "reference": reference},
            "accuracy_table.rst",
            labels("table: accuracy", victims(config)),
        ),
        exhibit(
            "minimal_attacks",
            "minimal",
            {"attacked": attacked, "norm": "l2", "title": None},
            "minimal_attacks.rst",
            labels("table: minimal perturbations", attacked),
        ),
        *(
            exhibit(
                f"minimal_{comparison['name']}",
                "minimal",
                {
                    "attacked": compared(config, comparison),
                    "norm": comparison.get("norm", "l2"),
                    "title": comparison["title"],
                },
                "minimal_comparison.rst",
                labels(f"table: {comparison['title']}", compared(config, comparison)),
            )
            for comparison in entries(config, "minimal", "comparisons")
        ),
        *_fixed_table(config),
        exhibit(
            "minimal_speed",
            "minimal_speed",
            {"attacked": everything},
            "minimal_speed.rst",
            labels("table: speed", everything),
        ),
    ]


def _fixed_table(config: Config) -> Iterator[Exhibit]:
    shown = fixed(config)
    if shown:
        spec = {"attacked": shown, "shortest": config["studies"]["minimal"]["fixed_norm"]["shortest"]}
        words = labels("table: one fixed norm", shown)
        yield exhibit("minimal_fixed_norm", "fixed_norm", spec, "minimal_fixed_norm.rst", words)


def figures(config: Config) -> list[Exhibit]:
    return [
        exhibit(
            "minimal_accuracy",
            "accuracy_dots",
            {"title": ACCURACY, "table": "minimal_accuracy"},
            "accuracy.rst",
            labels("figure: accuracy", victims(config)),
        ),
        exhibit(
            "minimal_security",
            "security_curves",
            {"attacked": attacks(config), "control": config["studies"]["minimal"].get("control")},
            "minimal_security.rst",
            labels("figure: security curves", attacks(config)),
        ),
    ]


def extra_figures(config: Config) -> list[Exhibit]:
    """Return the figures that the rule `draw_perturbation` draws, one at a time."""
    shown = config["studies"]["minimal"]["perturbation"]
    return [perturbation_figure(config, model, image) for model in shown["models"] for image in shown["images"]]


def perturbation_figure(config: Config, model: str, image: int) -> Exhibit:
    """Return the figure of an image of the test split, its perturbation and their sum."""
    cell = perturbation(config, model)
    title = f"{cell['dataset']}, image {image} of the test split: {cell['attack']} on {model}"
    return exhibit(
        f"minimal/{model}/{image}",
        "perturbation",
        {"title": title, "cell": cell, "image": image},
        "perturbation.rst",
        labels(f"figure: perturbation of image {image}", [cell]),
    )


def problems(config: Config) -> Iterator[str]:
    """Report unknown names, attacks whose distances cannot be compared, and a control that is none."""
    key, study = "studies.minimal", config["studies"]["minimal"]
    shown = study["perturbation"]
    yield from unknown(f"{key}.datasets", study["datasets"], "datasets", config["datasets"])
    yield from unknown(f"{key}.models", study["models"], "models", config["models"])
    yield from unknown(f"{key}.perturbation.models", shown["models"], "models", config["models"])
    yield from _attack_problems(f"{key}.perturbation.attack", [shown["attack"]], config)
    yield from _attack_problems(f"{key}.attacks", study["attacks"], config)
    yield from control_problems(f"{key}.control", study.get("control"), config, like=study["attacks"][0], norm="l2")
    if (single := study.get("fixed_norm")) is not None:
        yield from unknown(f"{key}.fixed_norm.models", single.get("models", []), "models", config["models"])
        yield from _attack_problems(f"{key}.fixed_norm.shortest", [single["shortest"]], config)
        yield from _fixed_problems(f"{key}.fixed_norm.attack", single["attack"], single["shortest"], config)
    names = [comparison["name"] for comparison in study.get("comparisons", [])]
    for index, comparison in enumerate(study.get("comparisons", [])):
        where = f"{key}.comparisons.{index}"
        name = comparison["name"]
        if name in RESERVED:
            yield f"{where}.name: {name!r} is the name of another table of this study; choose another"
        if name in names[:index]:
            yield f"{where}.name: {name!r} is used more than once; each name must be unique"
        yield from unknown(f"{where}.models", comparison.get("models", []), "models", config["models"])
        defenses = comparison.get("defenses", [])
        yield from unknown(f"{where}.defenses", defenses, "defenses", ["none", *config["defenses"]])
        yield from _attack_problems(f"{where}.attacks", comparison["attacks"], config)


def _fixed_problems(key: str, name: str, shortest: str, config: Config) -> Iterator[str]:
    """Report an attack without a list of norms in L2, or on other images than the one that it is compared with."""
    yield from unknown(key, [name], "attacks", config["attacks"])
    attack, other = config["attacks"].get(name), config["attacks"].get(shortest)
    if attack is None or other is None:
        return
    given = attack.get("parameters", {})
    if not isinstance(given.get("epsilon"), list) or given.get("norm", "linf") != "l2" or "targets" in attack:
        yield f"{key}: {name} needs a list of epsilons, norm l2 and no targets"
    if selection(attack) != selection(other):
        chosen = f"{name}: {selection(attack)}, {shortest}: {selection(other)}"
        yield f"{key}: it must run on the same images ({chosen})"


def _attack_problems(key: str, names: Sequence[str], config: Config) -> Iterator[str]:
    """Report unknown attacks, and attacks whose distances cannot be compared."""
    yield from unknown(key, names, "attacks", config["attacks"])
    yield from several_sizes(key, names, config)
    known = {name: config["attacks"][name] for name in names if name in config["attacks"]}
    for name, attack in known.items():
        if "targets" in attack:
            yield f"{key}: {name} has targets; this study compares untargeted attacks"
    selected = {name: selection(attack) for name, attack in known.items()}
    if len(set(selected.values())) > 1:
        listed = ", ".join(f"{name}: {images}" for name, images in selected.items())
        yield f"{key}: they must run on the same images ({listed})"
