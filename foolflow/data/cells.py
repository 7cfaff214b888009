"""Cells: dicts that name a victim and the attack on it. `foolflow/studies/cells.py` lists their keys."""

from collections.abc import Mapping
from typing import Any

Cell = Mapping[str, Any]

VICTIM = ("dataset", "model", "defense", "seed")
UNDEFENDED = "none"  # the defense of a victim without one


def victim_name(cell: Any, *, several_seeds: bool = False) -> str:
    """Return the name of a victim for readers, such as `lenet with jpeg`. cell: a mapping, or a row of a table."""
    defense = "" if cell["defense"] == UNDEFENDED else f" with {cell['defense']}"
    seed = f" (seed {cell['seed']})" if several_seeds else ""
    return f"{cell['model']}{defense}{seed}"


def source_of(cell: Cell) -> str:
    """Return the victim that a cell's images were made on, as model/defense."""
    return cell.get("source") or f"{cell['model']}/{cell['defense']}"


def model_and_defense(victim: str) -> tuple[str, str]:
    """Split model/defense. Without a slash, the defense is empty."""
    model, _, defense = victim.partition("/")
    return model, defense
