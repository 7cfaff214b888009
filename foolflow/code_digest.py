"""A digest of the code that a job runs: the script and every first-party module that it reaches through imports.

Snakemake does not see what a script imports, so each rule carries this digest as a param. It is a hash of the
syntax tree: comments, docstrings, formatting and timestamps do not count. Imports by name (`importlib`) are
invisible here; whoever uses them names the modules.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "foolflow"


class CodeDigest:
    """Call it with paths below `root` (a script, a module); what is read once is kept for the next call."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read = cache(self._read_once)

    def __call__(self, *files: str) -> str:
        """Raises FileNotFoundError, SyntaxError: the file is not there, or is not Python."""
        digest = hashlib.sha256()
        for file in sorted(self.closure(*files)):
            digest.update(f"{file}\n{self._read(file)[0]}\n".encode())
        return digest.hexdigest()[:16]

    def closure(self, *files: str) -> set[str]:
        """`files` and all that they import from the package, directly or not."""
        found: set[str] = set()
        pending = list(files)
        while pending:
            file = pending.pop()
            if file not in found:
                found.add(file)
                pending += self._read(file)[1]
        return found

    def _read_once(self, file: str) -> tuple[str, list[str]]:
        """(code without comments and docstrings, the first-party files that it imports)"""
        path = self._root / file
        tree = ast.parse(path.read_bytes(), filename=str(path))
        _drop_what_does_not_run(tree)
        beside = str(Path(file).parent)
        imported = {found for name in _imported(tree) for found in self._files_of(name, beside)}
        return ast.unparse(tree), sorted(imported)

    def _files_of(self, name: str, beside: str) -> Iterator[str]:
        """The files that `import name` runs: a module and the packages above it, of the package, or of the user's own
        beside the importing file or below the root. A name in a module is its module."""
        parts = name.split(".")
        for folder in ("",) if parts[0] == PACKAGE else ("", f"{beside}/"):
            for length in range(1, len(parts) + 1):
                stem = folder + "/".join(parts[:length])
                for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
                    if (self._root / candidate).is_file():
                        yield str(Path(candidate))


def _imported(tree: ast.Module) -> Iterator[str]:
    """The dotted names that the code imports, or reaches as attributes of the package (`foolflow.attacks.fgsm`)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.startswith(f"{PACKAGE}."):
                yield name


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
