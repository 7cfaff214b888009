"""How robust is a classifier? One table: clean, under each attack, and in the worst case."""

from collections.abc import Iterator, Mapping
from typing import Any

from foolflow.attacks.kinds import size_name
from foolflow.attacks.norms import epsilon_norm, minimised_norm
from foolflow.attacks.standard import is_within, standard_attacks
from foolflow.data.cells import UNDEFENDED
from foolflow.studies.cells import Cell, Config, Exhibit, exhibit, labels, seeds_of, victims_of
from foolflow.workflow.config.names import has_several_sizes, unknown, unknown_victims

TITLE = "Robustness"
QUESTION = "How accurate is each classifier when its input may change a little, and which attack hurts it most?"

SETS = "robustness-"  # begins the names of the study's adversarial sets
SECONDS = {"s": 1, "min": 60, "h": 3600}


def studied(config: Config) -> Mapping[str, Any]:
    """Return the study's part of the config; empty if the config does not contain it."""
    return config["studies"].get("robustness", {})


def attacks(config: Config) -> dict[str, Any]:
    """Return the config entry of each attack of the study, by the name that the table shows.

    A listed name means an entry of `attacks` or, if there is none, the standard attack of that name.
    """
    study = studied(config)
    if not study:
        return {}
    standard = standard_attacks(study["norm"], study["epsilon"])
    if study["attacks"] == "standard":
        return standard
    # As the standard attacks do, others go straight through a filter without a gradient unless they say otherwise.
    known = standard | {name: {"filter_gradient": "auto"} | entry for name, entry in config["attacks"].items()}
    return {name: known[name] for name in study["attacks"]}


def set_name(attack: str) -> str:
    """Return the name of an attack's adversarial sets. No other study shares them: their images depend on the plan."""
    return f"{SETS}{attack}"


def shown_attack(name: str) -> str:
    """Return the name under which readers know an attack: that of the study, without the prefix of its sets."""
    return name.removeprefix(SETS)


def robustness_attacks(config: Config) -> dict[str, Any]:
    """Return the attacks that the study adds to the config, by the name of their adversarial sets."""
    limit = studied(config).get("images", 1)
    return {
        set_name(name): entry | {"images": min(limit, entry.get("images", limit))}
        for name, entry in attacks(config).items()
    }


def victims(config: Config) -> list[Cell]:
    study = studied(config)
    return [
        {"dataset": study["dataset"], "model": model, "defense": defense, "seed": seed}
        for model in study.get("models", [])
        for defense in study["defenses"]
        for seed in seeds_of(config, "robustness", model)
    ]


def cells(config: Config) -> list[Cell]:
    return [victim | {"attack": set_name(name)} for victim in victims(config) for name in attacks(config)]


def budget_seconds(config: Config) -> float | None:
    """Return how long the attacks on one victim may take, one after another; None: no limit."""
    budget = studied(config).get("budget")
    if budget is None:
        return None
    unit = budget.lstrip("0123456789.").strip()
    return float(budget.removesuffix(unit)) * SECONDS[unit]


def plan_spec(config: Config, victim: Config) -> dict[str, Any]:
    """Return the spec of scripts/plan_attacks.py for one victim."""
    return {
        "victim": "/".join(str(victim[key]) for key in ("model", "defense")),
        "budget": budget_seconds(config),
        "attacks": [
            {"name": name, "counts": one["counts"], "entry": robustness_attacks(config)[set_name(name)]}
            for name, one in _described(config).items()
        ],
    }


def _described(config: Config) -> dict[str, Any]:
    """Return how the table shows each attack.

    counts: the attack is part of the worst case, and only its perturbations within the study's ball count.
    distance: the norm of which the median is shown; None: no median.
    epsilon_norm: the norm of the attack's epsilons; None: unknown, or it has none.
    """
    found = {}
    for name, entry in attacks(config).items():
        found[name] = {
            "counts": is_within(entry, studied(config)["norm"]),
            "distance": minimised_norm(entry),
            "epsilon_norm": epsilon_norm(entry),
        }
    return found


def spec(config: Config) -> dict[str, Any]:
    """Return the spec of the table and of the figures: the ball, the victims in order, and the attacks."""
    study = studied(config)
    return {
        "norm": study["norm"],
        "epsilon": study["epsilon"],
        "dataset": study["dataset"],
        "victims": victims(config),
        "attacks": [
            {"name": name, "set": set_name(name), **described} for name, described in _described(config).items()
        ],
    }


def tables(config: Config, reference: Any) -> list[Exhibit]:
    words = labels("table: accuracy under each attack", cells(config))
    return [exhibit("robustness", "robustness", spec(config), "robustness_table.rst", words)]


def figures(config: Config) -> list[Exhibit]:
    shown = spec(config)
    several_seeds = len({victim["seed"] for victim in victims(config)}) > 1
    return [
        exhibit(
            "robustness/{model}/{defense}/{seed}".format(**victim),
            "examples",
            shown | {"victim": victim, "several_seeds": several_seeds},
            "examples.rst",
            labels(
                f"figure: eight images{_which(victim, several_seeds)}",
                [cell for cell in cells(config) if victims_of([cell]) == [victim]],
            ),
        )
        for victim in victims(config)
    ]


def _which(victim: Cell, several_seeds: bool) -> str:
    """Return what tells this victim from the others of its model, in brackets, if anything does."""
    defense = [f"defense {victim['defense']}"] if victim["defense"] != UNDEFENDED else []
    seed = [f"seed {victim['seed']}"] if several_seeds else []
    return f" ({', '.join(defense + seed)})" if defense + seed else ""


def problems(config: Config) -> Iterator[str]:
    """Report unknown names, and attacks that cannot be judged within the study's ball."""
    study, key = studied(config), "studies.robustness"
    yield from unknown_victims(key, study, config)
    if study["norm"] == "linf" and study["epsilon"] > 1:
        yield f"{key}.epsilon: {study['epsilon']} is more than the whole range of a pixel, 0 to 1; did you mean 8/255?"
    if study["attacks"] == "standard":
        return
    known = standard_attacks(study["norm"], study["epsilon"]) | config["attacks"]
    yield from unknown(f"{key}.attacks", study["attacks"], "attacks", known)
    for name in study["attacks"]:
        entry = known.get(name, {})
        epsilon = entry.get("parameters", {}).get("epsilon", study["epsilon"])
        if has_several_sizes(entry):
            yield f"{key}.attacks: {name} has a list of {size_name(entry)}s; it needs a single one here"
        elif epsilon_norm(entry) == study["norm"] and epsilon > study["epsilon"]:
            yield f"{key}.attacks: {name} has epsilon {epsilon}, the study {study['epsilon']}; it would never count"
        if "targets" in entry:
            yield f"{key}.attacks: {name} has targets; this study counts any wrong class, so leave them out"
        if "per_class" in entry:
            yield f"{key}.attacks: {name} has per_class; this study attacks the first images, so leave it out"
