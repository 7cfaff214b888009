"""Load the user's own code, named in the config as `path/to/file.py:name`."""

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from foolflow.errors import InvalidInput, in_one_line
from foolflow.jobs.error_reporting import line_in_user_file, register_user_file
from foolflow.workflow.project import package_of

_chosen: set[str] = set()  # the user's packages that have been imported


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
    """Import a file as a part of its package or, outside a package, alone. Either way it can import its neighbours.

    It is also imported alone if a library or Foolflow has the name of the package, as `scripts`, and if a name on the
    way to it has a dot.
    """
    root, packages = package_of(file)
    as_part = bool(packages) and "." not in "".join((*packages, file.stem)) and _is_free(packages[0], root)
    register_user_file(file)
    sys.path += [folder for folder in (str(file.absolute().parent), str(root)) if folder not in sys.path]
    try:
        if as_part:
            return _import_from_package(file, root, packages)
        return _import_alone(file)
    except (Exception, SystemExit) as error:  # the user's file may raise anything
        raise InvalidInput(f"{file} cannot be imported: {in_one_line(error)}{line_in_user_file(error)}") from error


def _import_alone(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"user_{file.stem}", file)
    assert spec is not None  # split_reference accepts only .py files
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up their module here
    spec.loader.exec_module(module)
    return module


def _import_from_package(file: Path, root: Path, packages: tuple[str, ...]) -> ModuleType:
    _choose(packages[0], root)
    inside = packages if file.stem == "__init__" else (*packages, file.stem)
    return importlib.import_module(".".join(inside))


def _choose(package: str, root: Path) -> None:
    """Make `package` the name of the user's package in the folder `root`.

    The user may have another one of that name elsewhere. What was imported from it goes on working.
    """
    if _root_of(package) == root:
        return
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    spec = PathFinder.find_spec(package, [str(root)])
    assert spec is not None  # it has __init__.py
    assert spec.loader is not None
    module = sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[package]
        raise
    _chosen.add(package)


def _is_free(package: str, root: Path) -> bool:
    """Whether `package` is the user's, in the folder `root`, or no module that can be imported has its name."""
    if package in sys.modules:
        return package in _chosen or _root_of(package) == root
    spec = PathFinder.find_spec(package)
    return spec is None or spec.origin is None or Path(spec.origin).absolute().parents[1] == root


def _root_of(package: str) -> Path | None:
    """Return the folder that holds a package, if it has been imported."""
    file = getattr(sys.modules.get(package), "__file__", None)
    return None if file is None else Path(file).absolute().parents[1]


def failed(what: str, error: BaseException) -> InvalidInput:
    """Return an InvalidInput that reports an error in the user's code `what`, with its line."""
    return InvalidInput(f"{what} failed: {in_one_line(error)}{line_in_user_file(error)}")
