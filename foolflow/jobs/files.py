"""Write files and folders atomically: each is either complete or absent."""

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
    """Report system errors raised in the block, such as a full disk, as InvalidInput that names `path`."""
    try:
        yield
    except Exception as error:
        if (reason := system_error(error, path)) is not None:
            raise reason from error
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path. Rename it to `path` if the block succeeds, and remove it otherwise.

    Raises InvalidInput, naming `path`, if the disk is full or the folder is not writable.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial{path.suffix}")
    try:
        with _naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
    finally:
        with suppress(OSError):  # if the folder is not writable, there is nothing to remove
            partial.unlink(missing_ok=True)


def remove_partials(path: Path) -> None:
    """Remove the partial files that killed jobs left for `path` or inside it.

    Call it only while no other job can write there.
    """
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
    """Write a folder like `whole_file` writes a file. An existing folder is replaced if the block succeeds."""
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
