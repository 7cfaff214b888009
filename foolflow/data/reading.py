"""Read the files that other jobs wrote. Each function raises InvalidInput, naming the file, if it is unusable."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from foolflow.errors import InvalidInput, in_one_line


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, "JSON", error) from error


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file and yield it. Its tensors are NumPy arrays."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise unreadable(path, "a safetensors file with the expected tensors", error) from error


def unreadable(path: Path, kind: str, error: Exception) -> InvalidInput:
    """Return the error for a file that is missing or not of this kind."""
    if not path.exists():
        return InvalidInput(f"{path} is missing; run the rule that makes it")
    return InvalidInput(f"{path} is not {kind} ({in_one_line(error)[:200]}); remove it and run the rule that makes it")
