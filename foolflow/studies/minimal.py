"""R2: a zoo of MNIST networks, and the smallest perturbations that fool them."""

from collections.abc import Iterator
from typing import Any

from foolflow.studies.cells import Cell, Config, Exhibit, exhibit, labels, selection, study_seeds, undefended_victims
from foolflow.studies.controls import control_problems
from foolflow.workflow.config.names import several_sizes, unknown

TITLE = "Minimal perturbations"
QUESTION = "How far is the nearest adversarial image, and which attack finds it?"
ACCURACY = "Accuracy of the networks"


def victims(config: Config) -> list[Cell]:
    study = config["studies"]["minimal"]
    return list(undefended_victims(config, "minimal", study["datasets"], study["models"]))


def attacks(config: Config) -> list[Cell]:
    """Return a cell for each attack on each victim of the study, grouped by victim."""
    return [
        victim | {"attack": attack} for victim in victims(config) for attack in config["studies"]["minimal"]["attacks"]
    ]


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
    return [*attacks(config), *controls(config), *(perturbation(config, model) for model in shown)]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    attacked = attacks(config)
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
            {"attacked": attacked},
            "minimal_attacks.rst",
            labels("table: minimal perturbations", attacked),
        ),
        exhibit(
            "minimal_speed",
            "minimal_speed",
            {"attacked": attacked},
            "minimal_speed.rst",
            labels("table: speed", attacked),
        ),
    ]


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
    key, study, entries = "studies.minimal", config["studies"]["minimal"], config["attacks"]
    shown = study["perturbation"]
    yield from unknown(f"{key}.datasets", study["datasets"], "datasets", config["datasets"])
    yield from unknown(f"{key}.models", study["models"], "models", config["models"])
    yield from unknown(f"{key}.attacks", study["attacks"], "attacks", entries)
    yield from unknown(f"{key}.perturbation.models", shown["models"], "models", config["models"])
    yield from unknown(f"{key}.perturbation.attack", [shown["attack"]], "attacks", entries)
    for field, names in (("attacks", study["attacks"]), ("perturbation.attack", [shown["attack"]])):
        yield from several_sizes(f"{key}.{field}", names, config)
        for name in names:
            if "targets" in entries.get(name, {}):
                yield f"{key}.{field}: {name} has targets; this study compares untargeted attacks"
    selected = {name: selection(entries[name]) for name in study["attacks"] if name in entries}
    if len(set(selected.values())) > 1:
        listed = ", ".join(f"{name}: {images}" for name, images in selected.items())
        yield f"{key}.attacks: they must run on the same images ({listed})"
    yield from control_problems(f"{key}.control", study.get("control"), config, like=study["attacks"][0], norm="l2")
