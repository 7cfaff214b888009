"""Tell which kind of defense a config entry is, without importing the defense."""

from collections.abc import Mapping
from typing import Any

TRAINING = ("adversarial_training",)  # methods that change the training images and have no filter


def filters(defense: Mapping[str, Any]) -> bool:
    """Return whether the defense puts a filter in front of the network."""
    return "python" in defense or ("method" in defense and defense["method"] not in TRAINING)
