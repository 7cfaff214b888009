"""The user's own code, named in the config as `path/to/file.py:name`."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from foolflow.errors import InvalidInput, in_one_line

_imported: set[Path] = set()  # absolute


def split_reference(reference: str) -> tuple[Path, str]:
    """`path/to/file.py:name` as (path, name). Raises InvalidInput if it has another form or the file is missing."""
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
    assert spec is not None  # split_reference made sure that it is a .py file
    assert spec.loader is not None
    _imported.add(file.absolute())
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's file raises while it is imported
        raise InvalidInput(f"{file} cannot be imported: {in_one_line(error)}{_line_in_users_file(error)}") from error
    return module


def failed(what: str, error: BaseException) -> InvalidInput:
    """That the user's `what` raised an error, and in which line of it."""
    return InvalidInput(f"{what} failed: {in_one_line(error)}{_line_in_users_file(error)}")


def blamed(error: BaseException) -> InvalidInput | None:
    """An error that came through a file of the user's, as one line; None of any other, whose traceback is wanted."""
    where = _line_in_users_file(error)
    return InvalidInput(f"your own code failed: {in_one_line(error)}{where}") if where else None


def _line_in_users_file(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).absolute() in _imported]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
