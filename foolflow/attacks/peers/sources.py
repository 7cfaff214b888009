"""Find out what an installed library offers by reading its source, because importing it takes seconds.

The module of each library knows where its attacks are defined and how they are called.
"""

import ast
import difflib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from foolflow.workflow.signatures import is_expressible, type_problem

IN_THE_EXTRA = 'it is in the extra `peers`: pip install --editable ".[peers]"'
MANY = 20  # above this number of names, only the closest matches are listed


@dataclass(frozen=True)
class Parameter:
    """A parameter of an attack. annotation: None if there is none.  default: None if the parameter is required."""

    annotation: ast.expr | None
    default: ast.expr | None


@dataclass(frozen=True)
class Definition:
    """A class or a function, and the module that defines it."""

    module: str
    node: ast.ClassDef | ast.FunctionDef


def parameter(annotation: str, default: str | None = None) -> Parameter:
    """Build a parameter that we add. annotation, default: source text."""
    return Parameter(_expression(annotation), None if default is None else _expression(default))


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def installed(distribution: str) -> str | None:
    """Return the version of a distribution, or None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def find(module: str, name: str) -> Definition | None:
    """Find the definition of `name` in `module`, following imports and aliases within the library."""
    for node in _statements(module):
        match node:
            case ast.ClassDef(name=defined) | ast.FunctionDef(name=defined) if defined == name:
                return Definition(module, node)
            case ast.ImportFrom():
                for alias in node.names:
                    source = _imported_module(module, node)
                    if (alias.asname or alias.name) == name and source.split(".")[0] == module.split(".")[0]:
                        return find(source, alias.name)
            case ast.Assign(targets=[ast.Name(id=defined)], value=ast.Name(id=meant)) if defined == name:
                return find(module, meant)
    return None


def names(module: str) -> Iterator[str]:
    """Yield the public names that `module` defines, imports or assigns."""
    for node in _statements(module):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                found = [name]
            case ast.ImportFrom():
                found = [alias.asname or alias.name for alias in node.names]
            case _:
                found = []
        yield from (name for name in found if not name.startswith("_"))


def attacks(module: str, is_attack: Callable[[Definition], bool]) -> set[str]:
    """Return the names of the attacks that `module` offers."""
    found = {name: find(module, name) for name in names(module)}
    return {name for name, definition in found.items() if definition and is_attack(definition)}


def lineage(definition: Definition) -> Iterator[Definition]:
    """Yield a class and its base classes within the library, the nearest first."""
    yield definition
    if isinstance(definition.node, ast.ClassDef):
        for base in definition.node.bases:
            if isinstance(base, ast.Name) and (found := find(definition.module, base.id)):
                yield from lineage(found)


def derives(definition: Definition, base: str) -> bool:
    return any(ancestor.node.name == base for ancestor in lineage(definition))


def parameters(definition: Definition) -> dict[str, Parameter]:
    """Return the parameters of a function, or of the constructor of a class, without self."""
    if isinstance(definition.node, ast.FunctionDef):
        return _parameters(definition.node.args)
    for ancestor in lineage(definition):
        for node in ancestor.node.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                taken = _parameters(node.args)
                return {name: taken[name] for name in list(taken)[1:]}
    return {}


def _parameters(arguments: ast.arguments) -> dict[str, Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults, *arguments.kw_defaults]
    pairs = zip([*positional, *arguments.kwonlyargs], defaults, strict=True)
    return {argument.arg: Parameter(argument.annotation, default) for argument, default in pairs}


@cache
def _statements(module: str) -> list[ast.stmt]:
    """Return the top-level statements of a module, including those in an `if` or a `try`."""
    return list(_flat(ast.parse(_file(module).read_bytes()).body))


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _flat(node.body)


def _file(module: str) -> Path:
    package, *rest = module.split(".")
    spec = importlib.util.find_spec(package)  # for a top-level package this imports nothing
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    path = Path(spec.origin).parent.joinpath(*rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imported_module(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".") if _file(module).name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


def configurable(parameters: Mapping[str, Parameter], *excluded: str) -> dict[str, Parameter]:
    """Return the parameters that a config can set: those that it can express, except the `excluded` names."""
    return {name: one for name, one in parameters.items() if name not in excluded and is_expressible(one.annotation)}


def unknown_name(library: str, name: str, known: Collection[str]) -> str:
    if len(known) <= MANY:
        hint = f"available: {', '.join(sorted(known))}"
    else:
        as_written = {one.lower(): one for one in known}
        close = difflib.get_close_matches(name.lower(), as_written, n=5, cutoff=0.4) or sorted(as_written)[:5]
        hint = f"among its {len(known)} attacks: {', '.join(as_written[one] for one in close)}"
    return f"method: {library} has no attack {name!r}; {hint}"


def parameter_problems(name: str, given: Mapping[str, Any], takes: Mapping[str, Parameter]) -> Iterator[str]:
    """Yield the problems of calling `name`, which takes `takes`, with `given`. Each line starts with its key."""
    for key, value in sorted(given.items(), key=lambda item: str(item[0])):
        if key not in takes:
            yield f"parameters.{key}: unknown; {name} takes {', '.join(takes) or 'none'}"
        elif problem := type_problem(_first_epsilon(key, value), _annotation(takes[key])):
            yield f"parameters.{key}: {problem}"
    for key, one in takes.items():
        if one.default is None and key not in given:
            yield f"parameters.{key}: missing; {name} needs it"


def _first_epsilon(key: str, value: Any) -> Any:
    """Return the first of several epsilons. The schema has checked that all are numbers."""
    return value[0] if key == "epsilon" and isinstance(value, list) else value


def _annotation(one: Parameter) -> ast.expr | None:
    """Return the annotation or, without one, the type of the default: number, boolean or string."""
    if one.annotation is None and isinstance(one.default, ast.Constant) and one.default.value is not None:
        kind = type(one.default.value).__name__
        return _expression("float" if kind == "int" else kind)
    return one.annotation
