"""Tell which kind of model a config entry is, without importing PyTorch."""

from collections.abc import Mapping
from typing import Any

SUPPLIED = ("weights", "torchscript", "onnx")  # a model with one of these keys is the user's, and is never trained


def is_supplied(model: Mapping[str, Any]) -> bool:
    """Return whether the user supplies the trained model, so that it is neither trained nor written."""
    return any(key in model for key in SUPPLIED)
