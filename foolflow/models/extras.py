"""Import libraries that only some models need."""

import importlib
from typing import Any

from foolflow.errors import InvalidInput

# module -> the extra of foolflow that installs it
EXTRAS = {"timm": "timm", "onnx": "onnx", "onnxruntime": "onnx", "onnx2torch": "onnx"}


def import_extra(module: str) -> Any:
    """Import `module`, one of `EXTRAS` or a part of it. Raises InvalidInput if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidInput(not_installed(module.partition(".")[0])) from error


def not_installed(module: str) -> str:
    """Return the sentence that says how to install one of `EXTRAS`."""
    return f'{module} is not installed; run: pip install "foolflow[{EXTRAS[module]}]"'
