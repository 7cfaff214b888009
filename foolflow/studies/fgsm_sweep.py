"""R4: FGSM at a sweep of epsilons."""

from typing import Any

from foolflow.studies.cells import Cell, Config, Exhibit, entries, exhibit, labels

TITLE = "R4: FGSM sweep"


def cells(config: Config) -> list[Cell]:
    """Each sweep, once per seed."""
    return [
        {key: sweep[key] for key in ("dataset", "model", "attack", "modified_epsilon")}
        | {"defense": "none", "seed": seed}
        for sweep in entries(config, "fgsm_sweep", "sweeps")
        for seed in config["seeds"]
    ]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    sweeps = cells(config)
    spec = {"sweeps": sweeps, "reference": reference}
    return [
        exhibit("fgsm_sweep", "fgsm_sweep", spec, "fgsm_sweep_table.rst", labels("table: accuracy per epsilon", sweeps))
    ]


def figures(config: Config) -> list[Exhibit]:
    sweeps = cells(config)
    curve = exhibit(
        "fgsm_sweep",
        "accuracy_curve",
        {"table": "fgsm_sweep"},
        "fgsm_sweep.rst",
        labels("figure: accuracy per epsilon", sweeps),
    )
    return [curve, *(_samples(sweep) for sweep in sweeps)]


def _samples(sweep: Cell) -> Exhibit:
    return exhibit(
        "samples/{dataset}/{model}/{defense}/{seed}/{attack}".format(**sweep),
        "sample_grid",
        {"title": "{attack} on {dataset}, {model}".format(**sweep), "cell": sweep},
        "samples.rst",
        labels(f"figure: samples (seed {sweep['seed']})", [sweep]),
    )
