"""Read what other jobs have made. What is missing or damaged is one line that names the file."""

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
    except (OSError, ValueError) as error:  # what pyarrow raises of a damaged file is a ValueError
        raise _unreadable(path, "a Parquet file", error) from error


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """The file as safetensors opens it, for NumPy."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, "a safetensors file with what is needed", error) from error


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    with open_tensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)


def read_adversarial(adversarial: Path, records: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """All the images of an adversarial set, float32 (R, C, H, W), and its records, one row an image.

    Raises InvalidInput if a file is missing or damaged, or the two are not of the same attack.
    """
    with open_tensors(adversarial) as file:
        images = file.get_tensor("images")
    table = read_records(records)
    if len(table) != len(images):
        raise InvalidInput(f"{adversarial} has {len(images)} images, {records} {len(table)} rows: not of one attack")
    return images, table


def _unreadable(path: Path, kind: str, error: Exception) -> InvalidInput:
    if not path.exists():
        return InvalidInput(f"{path} is missing; run what makes it")
    return InvalidInput(f"{path} is not {kind} ({in_one_line(error)[:200]}); remove it and run what makes it")
