"""R4: FGSM at a sweep of epsilons."""

from collections.abc import Iterator
from typing import Any

from foolflow.studies.cells import Cell, Config, Exhibit, entries, exhibit, labels, seeds_of
from foolflow.studies.controls import control_problems
from foolflow.workflow.config.names import unknown

TITLE = "FGSM sweep"
QUESTION = "How does the accuracy fall as FGSM may change each pixel more?"


def cells(config: Config) -> list[Cell]:
    """Return a cell for each sweep and seed, and one for each control."""
    swept = sweeps(config)
    return [*swept, *(cell | {"attack": cell["control"]} for cell in swept if cell["control"] is not None)]


def sweeps(config: Config) -> list[Cell]:
    """Return a cell for each sweep and seed. control: the attack that is its control, or None."""
    return [
        {key: sweep[key] for key in ("dataset", "model", "attack", "modified_epsilon")}
        | {"control": sweep.get("control"), "defense": "none", "seed": seed}
        for sweep in entries(config, "fgsm_sweep", "sweeps")
        for seed in seeds_of(config, "fgsm_sweep", sweep["model"])
    ]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    shown = sweeps(config)
    spec = {"sweeps": shown, "reference": reference}
    return [
        exhibit("fgsm_sweep", "fgsm_sweep", spec, "fgsm_sweep_table.rst", labels("table: accuracy per epsilon", shown))
    ]


def figures(config: Config) -> list[Exhibit]:
    shown = sweeps(config)
    curve = exhibit(
        "fgsm_sweep",
        "accuracy_curve",
        {"table": "fgsm_sweep"},
        "fgsm_sweep.rst",
        labels("figure: accuracy per epsilon", shown),
    )
    return [curve, *(_samples(sweep) for sweep in shown)]


def _samples(sweep: Cell) -> Exhibit:
    return exhibit(
        "samples/{dataset}/{model}/{defense}/{seed}/{attack}".format(**sweep),
        "sample_grid",
        {"title": "{attack} on {dataset}, {model}".format(**sweep), "cell": sweep},
        "samples.rst",
        labels(f"figure: samples (seed {sweep['seed']})", [sweep]),
    )


def problems(config: Config) -> Iterator[str]:
    """Report unknown names, attacks without the epsilons that a sweep needs, and controls that are none."""
    for index, sweep in enumerate(config["studies"]["fgsm_sweep"]["sweeps"]):
        key = f"studies.fgsm_sweep.sweeps.{index}"
        for field, kind in (("dataset", "datasets"), ("model", "models"), ("attack", "attacks")):
            yield from unknown(f"{key}.{field}", [sweep[field]], kind, config[kind])
        attack = config["attacks"].get(sweep["attack"])
        if attack is None:
            continue
        if not isinstance(attack.get("parameters", {}).get("epsilon"), list):
            yield f"{key}.attack: {sweep['attack']} has no list of epsilons to sweep"
            continue
        epsilons = attack["parameters"]["epsilon"]
        if sweep["modified_epsilon"] not in epsilons:
            yield f"{key}.modified_epsilon: {sweep['modified_epsilon']} is not among the epsilons {epsilons}"
        # Only our own attacks say which norm their epsilon has.
        norm = attack["parameters"].get("norm", "linf") if ":" not in attack.get("method", ":") else None
        yield from control_problems(
            f"{key}.control", sweep.get("control"), config, like=sweep["attack"], norm=norm, epsilons=epsilons
        )
