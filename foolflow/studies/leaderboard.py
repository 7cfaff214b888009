"""Every victim of a board under every attack, and under the worst attack on each image."""

from collections.abc import Iterator
from typing import Any

from foolflow.attacks.norms import epsilon_norm
from foolflow.statistics.budget import ball_in_words, size_in_words
from foolflow.studies.cells import Cell, Config, Exhibit, entries, exhibit, labels, seeds_of, sources_with
from foolflow.workflow.config.names import invalid_names, unknown, unknown_pairs

TITLE = "Leaderboard"
QUESTION = "Which victim keeps the most accuracy under the worst of several attacks on each image?"


def boards(config: Config) -> dict[str, Any]:
    """Return the boards of the study, by name."""
    return {board["name"]: board for board in entries(config, "leaderboard", "boards")}


def attempts(config: Config, board: Config) -> list[Cell]:
    """Return a cell for each attack on each victim of a board, followed by the sets transferred from other victims.

    An attack that stops at its first success makes images that seldom fool another victim, so a board may name other
    attacks for the transferred sets.
    """
    transferred = board.get("transfer_attacks", board["attacks"])
    return [
        {"dataset": board["dataset"], "model": model, "defense": defense, "seed": seed}
        | {"attack": attack, "source": None if source == f"{model}/{defense}" else source}
        | {"epsilon_norm": epsilon_norm(config["attacks"][attack])}
        for model in board["models"]
        for defense in board["defenses"]
        for seed in seeds_of(config, "leaderboard", model)
        for others in [sources_with(config, "leaderboard", seed, board.get("transfer_from", []))]
        for source in dict.fromkeys([f"{model}/{defense}", *others])
        for attack in (board["attacks"] if source == f"{model}/{defense}" else transferred)
    ]


def cells(config: Config) -> list[Cell]:
    return [cell for board in boards(config).values() for cell in attempts(config, board)]


def specs(config: Config) -> list[dict[str, Any]]:
    """Return the spec of each board's table."""
    keys = ("name", "dataset", "norm", "epsilon")
    return [
        {"board": {key: board[key] for key in keys if key in board}, "attempts": attempts(config, board)}
        for board in boards(config).values()
    ]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    return [
        exhibit(
            f"leaderboard/{spec['board']['name']}",
            "leaderboard",
            spec,
            "leaderboard_table.rst",
            labels(f"table: {spec['board']['name']}", spec["attempts"]),
        )
        for spec in specs(config)
    ]


def figures(config: Config) -> list[Exhibit]:
    found = []
    for name, board in boards(config).items():
        budget = f", within {ball_in_words(board['norm'], board['epsilon'])}" if "norm" in board else ""
        spec = {"title": f"{name}: accuracy on {board['dataset']}{budget}", "table": f"leaderboard/{name}"}
        words = labels(f"figure: board {name}", attempts(config, board))
        found.append(exhibit(f"leaderboard/{name}", "board", spec, "board.rst", words))
    return found


def problems(config: Config) -> Iterator[str]:
    """Report unknown and repeated names, and attacks without an epsilon within the bound of their board."""
    listed = config["studies"]["leaderboard"]["boards"]
    yield from invalid_names("studies.leaderboard.boards", listed, config)
    for index, board in enumerate(listed):
        key = f"studies.leaderboard.boards.{index}"
        transferred = board.get("transfer_attacks", [])
        yield from unknown(f"{key}.attacks", board["attacks"], "attacks", config["attacks"])
        yield from unknown(f"{key}.transfer_attacks", transferred, "attacks", config["attacks"])
        yield from unknown_pairs(f"{key}.transfer_from", board.get("transfer_from", []), config)
        if transferred and "transfer_from" not in board:
            yield f"{key}.transfer_attacks: no victim to make the images on; name some in transfer_from"
        for name in dict.fromkeys([*board["attacks"], *transferred]):
            entry = config["attacks"].get(name, {})
            given = entry.get("parameters", {}).get("epsilon", [])
            epsilons = given if isinstance(given, list) else [given]
            same_norm = "norm" in board and epsilon_norm(entry) == board["norm"]
            if same_norm and epsilons and min(epsilons) > board["epsilon"]:
                only = ", ".join(map(size_in_words, epsilons))
                yield f"{key}.epsilon: {name} has no epsilon up to {size_in_words(board['epsilon'])}, only {only}"
