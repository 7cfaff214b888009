"""Every victim under every attack, and under the worst of them on each image."""

from collections.abc import Iterator

from foolflow.workflow.config.names import Config, repeated_names, unknown, unknown_victims


def problems(config: Config) -> Iterator[str]:
    """Unknown or repeated names, and attacks that have no epsilon within that of their board."""
    boards = config["studies"]["leaderboard"]["boards"]
    yield from repeated_names("studies.leaderboard.boards", boards)
    for place, board in enumerate(boards):
        key = f"studies.leaderboard.boards.{place}"
        yield from unknown_victims(key, board, config)
        yield from unknown(f"{key}.attacks", board["attacks"], "attacks", config["attacks"])
        for source in board.get("transfer_from", []):
            model, _, defense = source.partition("/")
            if model not in config["models"] or defense not in ["none", *config["defenses"]]:
                yield f"{key}.transfer_from: {source!r} is not a model/defense of this config, such as six_conv/none"
        for name in board["attacks"]:
            given = config["attacks"].get(name, {}).get("parameters", {}).get("epsilon", [])
            epsilons = given if isinstance(given, list) else [given]
            if "epsilon" in board and epsilons and min(epsilons) > board["epsilon"]:
                yield f"{key}.epsilon: {name} has no epsilon up to {board['epsilon']}, only {given}"
