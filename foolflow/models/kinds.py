"""Tell how a victim gets its weights, without importing PyTorch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUPPLIED = ("weights", "torchscript", "onnx")  # keys of a model that name its weights


def is_supplied(model: Mapping[str, Any]) -> bool:
    """Whether a config entry names weights, so that the model is never trained."""
    return any(key in model for key in SUPPLIED)


def model_files(model: Mapping[str, Any]) -> list[str]:
    """Return every file that a config entry names, except `python:`, which the code digest covers."""
    named = [model[key] for key in (*SUPPLIED, "classes") if isinstance(model.get(key), str)]
    arguments = [value for value in model.get("arguments", {}).values() if isinstance(value, str)]
    return [*named, *(value for value in arguments if Path(value).is_file())]
