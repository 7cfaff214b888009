"""Digest the code that a job runs: a script and every first-party module that it imports, directly or not.

Snakemake does not see what a script imports, so each rule carries this digest as a param. It hashes syntax trees:
comments, docstrings, formatting and timestamps do not count. `foolflow.jobs`, how a job runs, does not count either.
Imports by name (`importlib`) are invisible here, so the rules name those modules.

Code is named by module (`scripts.train`, `foolflow.attacks.fgsm`), a file of the package that is read rather than
imported as `foolflow.pages:leaderboard.html`, and a file of the user's by its path, relative to the working directory.
What a user's file imports counts as well, if it lies beside that file or below the project's folder.
"""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from foolflow.workflow.project import PACKAGE, project_folder

PLUMBING = "foolflow.jobs"


def code_digest(*names: str) -> str:
    """The digest, and after it `names`, from which it can be computed again: what provenance records.

    Raises FileNotFoundError, SyntaxError: a file is missing, or is not Python.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(*names)):
        digest.update(f"{name}\n{_read(name)[0]}\n".encode())
    return " ".join([digest.hexdigest()[:16], *sorted(set(names))])


def closure(*names: str) -> set[str]:
    """`names` and all first-party code that they import, directly or not, without the plumbing."""
    # A job appends the folder of each of the user's files to its path.
    folders = tuple(sorted({Path(name).parent for name in names if _is_users(name)}))
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and not _is_plumbing(name):
            found.add(name)
            pending += _imports(name, folders if _is_users(name) else ())
    return found


def forget() -> None:
    """Read the files again: they may have changed since (a test edits them)."""
    _read.cache_clear()
    _imports.cache_clear()


def _is_users(name: str) -> bool:
    return name.endswith(".py")


def _is_plumbing(name: str) -> bool:
    return name == PLUMBING or name.startswith(f"{PLUMBING}.")


@cache
def _read(name: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """(the code without comments and docstrings, what it imports: the level of a relative import, and dotted names)"""
    path = _path(name)
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest(), ()
    tree = ast.parse(path.read_bytes(), filename=str(path))
    _drop_what_does_not_run(tree)
    return ast.unparse(tree), tuple(sorted(set(_imported(tree))))


@cache
def _imports(name: str, folders: tuple[Path, ...]) -> tuple[str, ...]:
    """The first-party code that `name` imports. folders: where else a user's file may find some."""
    found: set[str] = set()
    for level, dotted in _read(name)[1]:
        parts = dotted.split(".")
        if level:
            found.update(_users_code(_path(name).parents[level - 1], parts))
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


def _projects_code(parts: Sequence[str]) -> Iterator[str]:
    """The project's code that `import a.b.c` runs: a module and the packages above it. A name in a module is its
    module."""
    names = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    yield from (name for name in names if _path(name).is_file())


def _users_code(folder: Path, parts: Sequence[str]) -> Iterator[str]:
    """The same of a user's code in a folder."""
    for length in range(1, len(parts) + 1):
        stem = folder.joinpath(*parts[:length])
        yield from (str(file) for file in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py") if file.is_file())


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The level and the dotted names of imports, and the package's attributes (`foolflow.attacks.fgsm`) as names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = f"{node.module}." if node.module else ""
            yield from ((node.level, f"{above}{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.startswith("foolflow."):
                yield 0, name


def _drop_what_does_not_run(tree: ast.Module) -> None:
    """Remove docstrings, and the imports that only a type checker sees."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            body.pop(0)
        body[:] = [kept for child in body for kept in _what_runs(child)]
        if not body and not isinstance(node, ast.Module):
            body.append(ast.Pass())


def _what_runs(node: ast.stmt) -> list[ast.stmt]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return node.orelse
    return [node]
