"""Digest the code that a job runs: a script and every first-party module that it imports, directly or not.

Snakemake does not see what a script imports, so each rule has this digest as a param. The digest covers syntax trees:
comments, docstrings, formatting and timestamps do not count. `foolflow.jobs`, which defines how a job runs, counts only
where a rule names it. Imports by name (`importlib`) cannot be detected, so the rules name those modules.

A name is one of: a module (`scripts.train`, `foolflow.attacks.fgsm`); a data file of the package
(`foolflow.pages:templates/page.html`); or the path of a user's file, relative to the working directory. Imports of a
user's file count as well, if they are in the folder of that file, in its package, or in the project's folder.
"""

import ast
import hashlib
import os
import shlex
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from foolflow.errors import InvalidInput, in_one_line
from foolflow.workflow.project import PACKAGE, package_of, project_folder

PLUMBING = "foolflow.jobs"
LIBRARIES = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")}
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")  # the fields of a statement that hold statements


@cache
def code_digest(*names: str) -> str:
    """Return the digest followed by `names`, so that provenance can compute it again.

    Raises FileNotFoundError if a file is missing, and InvalidInput if one is not valid Python.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(*names)):
        digest.update(f"{name}\n{_read(name)[0]}\n".encode())
    return shlex.join([digest.hexdigest()[:16], *sorted(set(names))])


def closure(*names: str) -> set[str]:
    """Return `names` and all first-party code that they import, directly or not, except from `foolflow.jobs`."""
    folders = tuple(sorted({folder for name in names if _is_users(name) for folder in _search_path(name)}))
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and (name in names or not _is_plumbing(name)):
            found.add(name)
            pending += _imports(name, folders if _is_users(name) else ())
    return found


def clear_cache() -> None:
    """Clear the cache after files have changed. Only tests need this."""
    code_digest.cache_clear()
    _read.cache_clear()
    _imports.cache_clear()


def _is_users(name: str) -> bool:
    return name.endswith(".py")


def _is_plumbing(name: str) -> bool:
    """Whether nothing in the code can change a number: how jobs run, and the list of public names."""
    return name in ("foolflow", PLUMBING) or name.startswith(f"{PLUMBING}.")


@cache
def _read(name: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """Return the code without comments and docstrings, and its imports: each with its level and its dotted name."""
    path = _path(name)
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest(), ()
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte
        raise InvalidInput(f"{path} is not valid Python: {in_one_line(error)}") from error
    _drop_inert_code(tree)
    return ast.unparse(tree), tuple(sorted(set(_imported(tree))))


@cache
def _imports(name: str, folders: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the first-party code that `name` imports. folders: those where a user's file may find modules."""
    found: set[str] = set(_own_packages(name)) if _is_users(name) else set()
    for level, dotted in _read(name)[1]:
        parts = dotted.split(".")
        if level:
            found.update(_users_code(_above(_path(name), level - 1), parts))
            continue
        found.update(_projects_code(parts))
        for folder in folders:
            found.update(_users_code(folder, parts))
    return tuple(sorted(found))


def _path(name: str) -> Path:
    if _is_users(name):
        return Path(name)
    module, _, file = name.partition(":")
    top, *rest = module.split(".")
    folder = (PACKAGE if top == "foolflow" else project_folder() / top).joinpath(*rest)
    if file:
        return folder / file
    return folder / "__init__.py" if folder.is_dir() else folder.with_name(f"{folder.name}.py")


def _search_path(name: str) -> Iterator[Path]:
    """Yield the folders that loading a user's file appends to the path: its own, and the one that holds its package."""
    file = Path(name)
    yield file.parent
    root = _above(file, len(package_of(file)[1]))
    if root.resolve() not in LIBRARIES:  # the digest would follow every library that an installed package imports
        yield root


def _own_packages(name: str) -> Iterator[str]:
    """Yield the `__init__.py` of each package that a user's file is in, which importing the file runs."""
    file = Path(name)
    yield from (str(_above(file, level) / "__init__.py") for level in range(len(package_of(file)[1])))


def _above(file: Path, levels: int) -> Path:
    """Return the folder that is `levels` above that of `file`, perhaps above the working directory."""
    return Path(os.path.normpath(file.parent.joinpath(*[".."] * levels)))


def _projects_code(parts: Sequence[str]) -> Iterator[str]:
    """Yield the project's code that `import a.b.c` runs: a module and its parent packages.

    The last part may be a name that the module defines.
    """
    names = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    yield from (name for name in names if _path(name).is_file())


def _users_code(folder: Path, parts: Sequence[str]) -> Iterator[str]:
    """Yield the files of the user's code in `folder` that `import a.b.c` runs."""
    for length in range(1, len(parts) + 1):
        stem = folder.joinpath(*parts[:length])
        yield from (str(file) for file in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py") if file.is_file())


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the level and dotted names of imports, and attributes of the package (`foolflow.attacks.fgsm`, also through
    another name of a part of it) as names.
    """
    meant = {"foolflow": "foolflow"}  # what each name that the file imports stands for
    attributes = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
            meant |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            above = f"{node.module}." if node.module else ""
            yield from ((node.level, f"{above}{alias.name}") for alias in node.names)
            if node.level == 0:
                meant |= {alias.asname or alias.name: f"{above}{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and (chain := _chain(node)):
            attributes.append(chain)
    for first, *rest in attributes:
        name = ".".join([meant.get(first, first), *rest])
        if name.startswith("foolflow."):
            yield 0, name


def _chain(node: ast.expr) -> list[str]:
    """Return the parts of `a.b.c`, or an empty list if it does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def _drop_inert_code(tree: ast.Module) -> None:
    """Remove docstrings and the `if TYPE_CHECKING:` blocks."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        body = getattr(node, "body", [])
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            body.pop(0)
        body[:] = [kept for child in body for kept in _without_type_checking(child)]
        if "body" in node._fields and not body and not isinstance(node, ast.Module):
            body.append(ast.Pass())
        pending += (inner for name in _BLOCKS for inner in getattr(node, name, ()))


def _without_type_checking(node: ast.stmt) -> list[ast.stmt]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return node.orelse
    return [node]
