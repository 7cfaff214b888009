"""R4: FGSM at a sweep of epsilons."""

from collections.abc import Iterator

from foolflow.workflow.config.names import Config, has_several_epsilons, unknown


def problems(config: Config) -> Iterator[str]:
    """Unknown names, and attacks without the epsilons that a sweep needs."""
    for place, sweep in enumerate(config["studies"]["fgsm_sweep"]["sweeps"]):
        key = f"studies.fgsm_sweep.sweeps.{place}"
        for field, kind in (("dataset", "datasets"), ("model", "models"), ("attack", "attacks")):
            yield from unknown(f"{key}.{field}", [sweep[field]], kind, config[kind])
        attack = config["attacks"].get(sweep["attack"])
        if attack is None:
            continue
        if not has_several_epsilons(attack):
            yield f"{key}.attack: {sweep['attack']} has no list of epsilons to sweep"
        elif sweep["modified_epsilon"] not in (epsilons := attack["parameters"]["epsilon"]):
            yield f"{key}.modified_epsilon: {sweep['modified_epsilon']} is not among the epsilons {epsilons}"
