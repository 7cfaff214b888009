"""Tell which kind of defense a config entry is, without importing the defense."""

from collections.abc import Mapping
from typing import Any

TRAINING = ("adversarial_training",)  # methods that change the training images and have no filter

# What the backward pass does through filters whose forward pass rounds.
GRADIENTS = {
    "bit_depth": "has no gradient",
    "jpeg": "libjpeg in the forward pass, the gradient of a differentiable codec in the backward pass",
}


def has_filter(defense: Mapping[str, Any]) -> bool:
    """Return whether the defense puts a filter in front of the network."""
    return "python" in defense or ("method" in defense and defense["method"] not in TRAINING)
