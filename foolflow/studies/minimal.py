"""R2: the smallest perturbations that fool a zoo of MNIST networks."""

from collections.abc import Iterator

from foolflow.workflow.config.names import Config, several_epsilons, unknown


def _selection(attack: Config) -> str:
    """The images that an attack runs on, in words."""
    return next((f"{key} {attack[key]}" for key in ("images", "per_class") if key in attack), "all images")


def problems(config: Config) -> Iterator[str]:
    """Unknown names, and attacks whose distances cannot be compared."""
    key, study, attacks = "studies.minimal", config["studies"]["minimal"], config["attacks"]
    shown = study["perturbation"]
    yield from unknown(f"{key}.datasets", study["datasets"], "datasets", config["datasets"])
    yield from unknown(f"{key}.models", study["models"], "models", config["models"])
    yield from unknown(f"{key}.attacks", study["attacks"], "attacks", attacks)
    yield from unknown(f"{key}.perturbation.models", shown["models"], "models", config["models"])
    yield from unknown(f"{key}.perturbation.attack", [shown["attack"]], "attacks", attacks)
    for field, names in (("attacks", study["attacks"]), ("perturbation.attack", [shown["attack"]])):
        yield from several_epsilons(f"{key}.{field}", names, config)
        for name in names:
            if "targets" in attacks.get(name, {}):
                yield f"{key}.{field}: {name} has targets; this study compares untargeted attacks"
    selected = {name: _selection(attacks[name]) for name in study["attacks"] if name in attacks}
    if len(set(selected.values())) > 1:
        listed = ", ".join(f"{name}: {selection}" for name, selection in selected.items())
        yield f"{key}.attacks: they must run on the same images ({listed})"
