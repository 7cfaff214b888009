"""Read the files that other jobs wrote. A missing or damaged file gives a one-line error that names it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from foolflow.errors import InvalidInput, in_one_line


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, "JSON", error) from error


def read_records(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow raises a ValueError for a damaged file
        raise _unreadable(path, "a Parquet file", error) from error


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file that yields NumPy arrays."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, "a safetensors file with the expected tensors", error) from error


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    with open_tensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)


def read_adversarial(adversarial: Path, records: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Return all images of an adversarial set, float32 (R, C, H, W), and its records, one row per image.

    Raises InvalidInput if a file is missing or damaged, or the two files come from different attacks.
    """
    with open_tensors(adversarial) as file:
        images = file.get_tensor("images")
    table = read_records(records)
    if len(table) != len(images):
        found = f"{adversarial} has {len(images)} images, but {records} has {len(table)} rows"
        raise InvalidInput(f"{found}; run the attack again")
    return images, table


def _unreadable(path: Path, kind: str, error: Exception) -> InvalidInput:
    if not path.exists():
        return InvalidInput(f"{path} is missing; run the rule that makes it")
    return InvalidInput(f"{path} is not {kind} ({in_one_line(error)[:200]}); remove it and run the rule that makes it")
