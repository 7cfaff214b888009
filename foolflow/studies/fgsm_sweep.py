"""R4: FGSM at a sweep of epsilons, next to other attacks and to corruptions."""

from collections.abc import Iterator
from typing import Any

from foolflow.attacks.kinds import STRENGTHS, size_name
from foolflow.attacks.norms import epsilon_norm
from foolflow.studies.cells import Cell, Config, Exhibit, entries, exhibit, labels, seeds_of, selection, sources_with
from foolflow.studies.controls import control_problems
from foolflow.workflow.config.names import repeated, several_images, unknown, unknown_pairs

TITLE = "FGSM sweep"
QUESTION = "How fast does accuracy fall as FGSM is allowed larger changes to each pixel?"


def cells(config: Config) -> list[Cell]:
    """Return a cell for each sweep and seed, one for each control, and those of the comparisons."""
    swept = sweeps(config)
    controls = [cell | {"attack": cell["control"]} for cell in swept if cell["control"] is not None]
    return [*swept, *controls, *ways(config)]


def sweeps(config: Config) -> list[Cell]:
    """Return a cell for each sweep and seed. control: the attack that is its control, or None."""
    return [
        {key: sweep[key] for key in ("dataset", "model", "attack", "modified_epsilon")}
        | {"control": sweep.get("control"), "defense": "none", "seed": seed}
        for sweep in entries(config, "fgsm_sweep", "sweeps")
        for seed in seeds_of(config, "fgsm_sweep", sweep["model"])
    ]


def ways(config: Config) -> list[Cell]:
    """Return a cell for each way of the comparisons to make a data set worse, grouped by victim.

    Besides the keys of a cell: `way`, such as `white box`, and `unit`, of its sizes.
    """
    return [
        {"dataset": comparison["dataset"], "model": comparison["model"], "defense": "none", "seed": seed}
        | {"attack": attack, "source": source, "way": way, "unit": _unit(config["attacks"].get(attack, {}))}
        for comparison in entries(config, "fgsm_sweep", "comparisons")
        for seed in seeds_of(config, "fgsm_sweep", comparison["model"])
        for way, attack, source in _ways_of(comparison, config, seed)
    ]


def _ways_of(comparison: Config, config: Config, seed: int) -> Iterator[tuple[str, str, str | None]]:
    """Yield (way, attack, source) of each adversarial set of a comparison."""
    for key, way in (("white_box", "white box"), ("black_box", "black box")):
        for attack in comparison.get(key, []):
            yield _aimed(way, attack, config), attack, None
    transfer = comparison.get("transfer", {"attacks": [], "sources": []})
    for source in sources_with(config, "fgsm_sweep", seed, transfer["sources"]):
        for attack in transfer["attacks"]:
            yield _aimed("black box, transfer", attack, config), attack, source
    for attack in comparison.get("controls", []):
        yield "control", attack, None


def _aimed(way: str, attack: str, config: Config) -> str:
    return f"{way}, targeted" if "targets" in config["attacks"].get(attack, {}) else way


def _unit(attack: Config) -> str:
    """Return the unit of an attack's sizes."""
    if size_name(attack) == "epsilon":
        return "epsilon"
    kind = attack["parameters"].get("kind")
    return STRENGTHS[kind].unit if kind in STRENGTHS else "strength"


def tables(config: Config, reference: Any) -> list[Exhibit]:
    shown, compared = sweeps(config), ways(config)
    spec = {"sweeps": shown, "reference": reference}
    found = [
        exhibit("fgsm_sweep", "fgsm_sweep", spec, "fgsm_sweep_table.rst", labels("table: accuracy per epsilon", shown))
    ]
    if compared:
        words = labels("table: other ways to make the data set worse", compared)
        found.append(exhibit("fgsm_sweep_ways", "other_ways", {"ways": compared}, "fgsm_sweep_ways_table.rst", words))
    return found


def figures(config: Config) -> list[Exhibit]:
    shown, compared = sweeps(config), ways(config)
    curve = exhibit(
        "fgsm_sweep",
        "accuracy_curve",
        {"table": "fgsm_sweep"},
        "fgsm_sweep.rst",
        labels("figure: accuracy per epsilon", shown),
    )
    found = [curve, *(_samples(sweep) for sweep in shown)]
    if compared:
        words = labels("figure: other ways to make the data set worse", compared)
        found.append(
            exhibit("fgsm_sweep_ways", "other_ways", {"table": "fgsm_sweep_ways"}, "fgsm_sweep_ways.rst", words)
        )
    return found


def _samples(sweep: Cell) -> Exhibit:
    return exhibit(
        "samples/{dataset}/{model}/{defense}/{seed}/{attack}".format(**sweep),
        "sample_grid",
        {"title": "{attack} on {dataset}, {model}".format(**sweep), "cell": sweep},
        "samples.rst",
        labels(f"figure: samples (seed {sweep['seed']})", [sweep]),
    )


def problems(config: Config) -> Iterator[str]:
    """Report repeated sweeps, unknown names, attacks without a list of epsilons, and controls that are none."""
    sweeps = config["studies"]["fgsm_sweep"]["sweeps"]
    yield from repeated("studies.fgsm_sweep.sweeps", sweeps, ("dataset", "model", "attack"))
    for index, sweep in enumerate(sweeps):
        key = f"studies.fgsm_sweep.sweeps.{index}"
        for field, kind in (("dataset", "datasets"), ("model", "models"), ("attack", "attacks")):
            yield from unknown(f"{key}.{field}", [sweep[field]], kind, config[kind])
        yield from several_images(f"{key}.attack", [sweep["attack"]], config)
        attack = config["attacks"].get(sweep["attack"])
        if attack is None:
            continue
        if not isinstance(attack.get("parameters", {}).get("epsilon"), list):
            yield f"{key}.attack: {sweep['attack']} has no list of epsilons to sweep"
            continue
        epsilons = attack["parameters"]["epsilon"]
        if sweep["modified_epsilon"] not in epsilons:
            yield f"{key}.modified_epsilon: {sweep['modified_epsilon']} is not among the epsilons {epsilons}"
        yield from control_problems(
            f"{key}.control",
            sweep.get("control"),
            config,
            like=sweep["attack"],
            norm=epsilon_norm(attack),
            epsilons=epsilons,
        )
    for index, comparison in enumerate(entries(config, "fgsm_sweep", "comparisons")):
        yield from _comparison_problems(f"studies.fgsm_sweep.comparisons.{index}", comparison, config)


def _comparison_problems(key: str, comparison: Config, config: Config) -> Iterator[str]:
    """Report unknown names, attacks on other images or in another norm than the first, and controls that are none."""
    yield from unknown(f"{key}.dataset", [comparison["dataset"]], "datasets", config["datasets"])
    yield from unknown(f"{key}.model", [comparison["model"]], "models", config["models"])
    transfer = comparison.get("transfer", {"attacks": [], "sources": []})
    fields = {name: comparison.get(name, []) for name in ("white_box", "black_box", "controls")}
    fields["transfer.attacks"] = transfer["attacks"]
    first = config["attacks"].get(comparison["white_box"][0], {})
    for field, names in fields.items():
        yield from unknown(f"{key}.{field}", names, "attacks", config["attacks"])
        yield from several_images(f"{key}.{field}", names, config)
        for name in names:
            attack = config["attacks"].get(name)
            if attack is None:
                continue
            if attack.get("parameters", {}).get(size_name(attack)) is None:
                yield f"{key}.{field}: {name} has neither an epsilon nor a strength"
            if selection(attack) != selection(first):
                chosen = f"{name}: {selection(attack)}, {comparison['white_box'][0]}: {selection(first)}"
                yield f"{key}.{field}: all must run on the same images ({chosen})"
            norm, first_norm = epsilon_norm(attack), epsilon_norm(first)
            if norm is not None and first_norm is not None and norm != first_norm:
                chosen = f"{name} has norm {norm}, {comparison['white_box'][0]} has {first_norm}"
                yield f"{key}.{field}: {chosen}; all epsilons must be in one norm"
            if field == "controls" and attack.get("method") != "corrupt":
                yield f"{key}.controls: {name} is no control; a control has method corrupt"
    yield from unknown_pairs(f"{key}.transfer.sources", transfer["sources"], config)
    if (source := f"{comparison['model']}/none") in transfer["sources"]:
        yield f"{key}.transfer.sources: {source} is the network itself, which white_box attacks"
