"""What kind of defense a config entry is, told without importing it."""

from collections.abc import Mapping
from typing import Any

TRAINING = ("adversarial_training",)  # the methods that change what is trained on, and filter nothing


def filters(defense: Mapping[str, Any]) -> bool:
    """Whether the defense puts a filter before the network."""
    return "python" in defense or ("method" in defense and defense["method"] not in TRAINING)
