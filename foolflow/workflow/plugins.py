"""Load the user's own code, named in the config as `path/to/file.py:name`."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from foolflow.errors import InvalidInput, in_one_line
from foolflow.jobs.error_reporting import line_in_user_file, register_user_file


def split_reference(reference: str) -> tuple[Path, str]:
    """Split `path/to/file.py:name` into path and name. Raises InvalidInput for any other form or a missing file."""
    file, separator, name = reference.rpartition(":")
    if not separator or not file.endswith(".py") or not name.isidentifier():
        raise InvalidInput(f"python: {reference!r} is not of the form path/to/file.py:name")
    if not Path(file).is_file():
        raise InvalidInput(f"python: {reference!r} names a file that does not exist: {file}")
    return Path(file), name


def load_object(reference: str) -> Any:
    """Import the user's file and return the object that `reference` names.

    Raises InvalidInput if the file cannot be imported or has no such name.
    """
    file, name = split_reference(reference)
    module = _import_file(file)
    if not hasattr(module, name):
        raise InvalidInput(f"python: {reference!r}: {file} has no {name!r}")
    return getattr(module, name)


def _import_file(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"user_{file.stem}", file)
    assert spec is not None  # split_reference accepts only .py files
    assert spec.loader is not None
    register_user_file(file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up their module here
    sys.path.append(str(file.absolute().parent))  # so that the file can import its neighbours
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's file may raise anything
        raise InvalidInput(f"{file} cannot be imported: {in_one_line(error)}{line_in_user_file(error)}") from error
    return module


def failed(what: str, error: BaseException) -> InvalidInput:
    """Return an InvalidInput that reports an error in the user's code `what`, with its line."""
    return InvalidInput(f"{what} failed: {in_one_line(error)}{line_in_user_file(error)}")
