"""Files appear whole or not at all: each is written beside its place and then renamed."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from foolflow.errors import told


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What the machine refuses within the block, such as space on the disk, is told with the name of what was made."""
    try:
        yield
    except Exception as error:
        if (refusal := told(error, path)) is not None:
            raise refusal from error
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes `path` when the block ends without an error, else it is removed.

    Raises InvalidInput, naming `path`, if the disk is full or the folder not to be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial{path.suffix}")
    try:
        with _naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
    finally:
        with suppress(OSError):  # where nothing can be written, nothing can be removed
            partial.unlink(missing_ok=True)


def remove_partials(path: Path) -> None:
    """What killed jobs left of `path`, or of the files in it. Only for who is sure that nobody writes there now."""
    for partial in [*path.parent.glob(f".{path.name}.*.partial*"), *path.glob(".*.partial*")]:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """As `whole_file`, for a new folder: what lay at `path` is replaced when the block ends without an error."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _naming(path):
            partial.mkdir(parents=True)
            yield partial
            if path.exists():
                shutil.rmtree(path)
            partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
