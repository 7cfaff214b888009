"""R3 and beyond: defenses under static, white-box, adaptive and black-box attacks."""

from collections.abc import Iterator

from foolflow.workflow.config.names import Config, repeated_names, several_epsilons, unknown, unknown_victims


def problems(config: Config) -> Iterator[str]:
    """Unknown or repeated names, and attacks with several epsilons."""
    evaluations = config["studies"]["defenses"]["evaluations"]
    yield from repeated_names("studies.defenses.evaluations", evaluations)
    for place, entry in enumerate(evaluations):
        key = f"studies.defenses.evaluations.{place}"
        yield from unknown_victims(key, entry, config)
        examples = [entry["examples"]] if "examples" in entry else []
        kinds = {kind: entry.get(kind, []) for kind in ("static", "white_box", "adaptive", "black_box")}
        for field, attacks in {**kinds, "examples": examples}.items():
            yield from unknown(f"{key}.{field}", attacks, "attacks", config["attacks"])
            yield from several_epsilons(f"{key}.{field}", attacks, config)
        for role, attack in entry.get("masking", {}).items():
            yield from unknown(f"{key}.masking.{role}", [attack], "attacks of white_box", kinds["white_box"])
