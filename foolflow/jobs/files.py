"""Write files atomically: each appears whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from foolflow.jobs.error_reporting import system_error


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name `path` in system errors raised within the block, such as a full disk."""
    try:
        yield
    except Exception as error:
        if (reason := system_error(error, path)) is not None:
            raise reason from error
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes `path` if the block ends without an error, and is removed otherwise.

    Raises InvalidInput, naming `path`, if the disk is full or the folder is not writable.
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
    """Remove what killed jobs left of `path`, or of files in it. Call it only while no other job can be writing."""
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
    """Like `whole_file`, for a folder: the old one is replaced if the block ends without an error."""
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
