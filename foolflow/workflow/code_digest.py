"""Digest the code that a job runs: a script and every first-party module that it imports, directly or not.

Snakemake does not see what a script imports, so each rule has this digest as a param. The digest covers syntax trees:
comments, docstrings, formatting and timestamps do not count. `foolflow.jobs`, which defines how a job runs, does not
count either. Imports by name (`importlib`) cannot be detected, so the rules name those modules.

A name is one of: a module (`scripts.train`, `foolflow.attacks.fgsm`); a data file of the package
(`foolflow.pages:leaderboard.html`); or the path of a user's file, relative to the working directory.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from foolflow.workflow.project import PACKAGE, project_folder

PLUMBING = "foolflow.jobs"


def code_digest(*names: str) -> str:
    """Return the digest followed by `names`, so that provenance can compute it again.

    Raises FileNotFoundError if a file is missing, and SyntaxError if it is not valid Python.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(*names)):
        digest.update(f"{name}\n{_read(name)[0]}\n".encode())
    return " ".join([digest.hexdigest()[:16], *sorted(set(names))])


def closure(*names: str) -> set[str]:
    """Return `names` and all first-party code that they import, directly or not, except `foolflow.jobs`."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and not _is_plumbing(name):
            found.add(name)
            pending += _read(name)[1]
    return found


def forget() -> None:
    """Clear the cache, because files have changed. Only tests need this."""
    _read.cache_clear()


def _is_plumbing(name: str) -> bool:
    return name == PLUMBING or name.startswith(f"{PLUMBING}.")


@cache
def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the code without comments and docstrings, and the names of the first-party code that it imports."""
    path = _path(name)
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest(), ()
    tree = ast.parse(path.read_bytes(), filename=str(path))
    _drop_inert_code(tree)
    beside = path.parent if name.endswith(".py") else None
    imported = {found for dotted in _imported(tree) for found in _first_party(dotted, beside)}
    return ast.unparse(tree), tuple(sorted(imported))


def _path(name: str) -> Path:
    if name.endswith(".py"):
        return Path(name)  # a user's file
    module, _, file = name.partition(":")
    top, *rest = module.split(".")
    folder = (PACKAGE if top == "foolflow" else project_folder() / top).joinpath(*rest)
    if file:
        return folder / file
    return folder / "__init__.py" if folder.is_dir() else folder.with_name(f"{folder.name}.py")


def _first_party(dotted: str, beside: Path | None) -> Iterator[str]:
    """Yield the first-party code that `import dotted` runs: a module and its parent packages.

    The module belongs to the project or, in a user's file, lies in the folder `beside`. `dotted` may end in a name that
    the module defines.
    """
    parts = dotted.split(".")
    for length in range(1, len(parts) + 1):
        if parts[0] in ("foolflow", "scripts"):
            name = ".".join(parts[:length])
            if _path(name).is_file():
                yield name
        elif beside is not None:
            stem = beside.joinpath(*parts[:length])
            yield from (
                str(file) for file in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py") if file.is_file()
            )


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names that the code imports or accesses as attributes (`foolflow.attacks.fgsm`)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.startswith("foolflow."):
                yield name


def _drop_inert_code(tree: ast.Module) -> None:
    """Remove docstrings and the `if TYPE_CHECKING:` blocks."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            body.pop(0)
        body[:] = [kept for child in body for kept in _without_type_checking(child)]
        if not body and not isinstance(node, ast.Module):
            body.append(ast.Pass())


def _without_type_checking(node: ast.stmt) -> list[ast.stmt]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return node.orelse
    return [node]
