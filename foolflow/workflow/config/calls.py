"""Check that the functions and classes that a config names exist and take the given parameters.

Everything is read from syntax trees. Importing PyTorch or an attack library would take seconds at each start.
"""

import ast
import importlib
import importlib.util
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from symtable import symtable

from foolflow.attacks.peers.sources import installed
from foolflow.errors import InvalidInput
from foolflow.models.extras import not_installed
from foolflow.workflow.code_digest import closure
from foolflow.workflow.config.names import Config, missing_file, unknown
from foolflow.workflow.plugins import split_reference
from foolflow.workflow.project import PACKAGE
from foolflow.workflow.signatures import type_problem

EVERYTHING = "*"  # what `from module import *` imports

# How torchvision and timm mark the functions that build networks.
_REGISTERED = re.compile(r"^@register_model\b.*\n(?:@.*\n|[ )].*\n)*def (\w+)\(", re.MULTILINE)


def python_problems(key: str, reference: str) -> Iterator[str]:
    """Yield the problems of a user's `path/to/file.py:name`."""
    named = reference.rpartition(":")[0]
    if not Path(named).is_file():
        yield missing_file(key, named)
        return
    try:
        file, name = split_reference(reference)
        names = _names(file)
        if name not in names and EVERYTHING not in names:
            yield f"{key}: {file} does not define {name!r}; it defines {', '.join(names) or 'nothing'}"
        closure(str(file))  # reads the files that it imports
    except (InvalidInput, SyntaxError) as error:
        yield f"{key}: {error}"


def model_problems(key: str, architecture: str, arguments: Config) -> Iterator[str]:
    """Yield the problems of building one of our models. architecture: `module.Class` of foolflow/models."""
    module, name = architecture.split(".")
    yield from _call_problems(key, "arguments", "models", module, name, arguments)


def factory_problems(key: str, library: str, name: str) -> Iterator[str]:
    """Yield the problems of a network of torchvision or timm."""
    spec = importlib.util.find_spec(library)  # for a top-level package this imports nothing
    if spec is None or not spec.submodule_search_locations:
        yield f"{key}.{library}: {not_installed(library)}"
        return
    folder = Path(spec.submodule_search_locations[0]) / "models"
    sources = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py"))]
    names = {found[1] for source in sources for found in _REGISTERED.finditer(source)}
    base = name.partition(".")[0] if library == "timm" else name  # timm names the weights after a dot
    # Former names of networks stand in quotes.
    if names and base not in names and not any(f"'{base}'" in source for source in sources):
        yield from unknown(f"{key}.{library}", [name], f"networks of {library}", sorted(names))


def onnx_problems(key: str) -> Iterator[str]:
    """Yield one line if a library that ONNX graphs need is not installed."""
    for module in ("onnx", "onnxruntime", "onnx2torch"):
        if importlib.util.find_spec(module) is None:
            yield f"{key}: {not_installed(module)}"
            return


def method_problems(key: str, kind: str, method: str, parameters: Config) -> Iterator[str]:
    """Yield the problems of calling one of our methods. kind: the folder of <method>.py, `attacks` or `defenses`."""
    yield from _call_problems(key, "parameters", kind, method, method, parameters)


def _call_problems(key: str, field: str, kind: str, module: str, name: str, given: Config) -> Iterator[str]:
    """Yield the problems of calling `name` in foolflow/<kind>/<module>.py with the arguments of `key`.`field`."""
    definition = _definition(kind, module, name)
    if definition is None:
        written = name if module == name else f"{module}.{name}"
        yield f"{key}: {kind} has no {written!r}; available: {', '.join(_available(kind))}"
        return
    signature = _signature(definition)
    if signature is None:
        return
    arguments = zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
    takes = {argument.arg: (argument, default) for argument, default in arguments if argument.arg != "targets"}
    for argument_name, value in sorted(given.items(), key=lambda item: str(item[0])):
        argument_key = f"{key}.{field}.{argument_name}"
        if argument_name not in takes:
            yield f"{argument_key}: unknown; {name} takes {', '.join(takes) or 'none'}"
        elif problem := type_problem(value, takes[argument_name][0].annotation):
            yield f"{argument_key}: {problem}"
    for argument_name in sorted(takes.keys() - given.keys()):
        if takes[argument_name][1] is None:
            yield f"{key}.{field}.{argument_name}: missing; {name} needs it"


def takes_targets(method: str) -> bool:
    """Whether one of our attacks can be targeted. True for an unknown method, which is reported elsewhere."""
    definition = _definition("attacks", method, method)
    signature = None if definition is None else _signature(definition)
    return signature is None or any(argument.arg == "targets" for argument in signature.kwonlyargs)


def peer_problems(key: str, entry: Config, *, needed: bool) -> Iterator[str]:
    """Yield the problems of another library's attack.

    needed: whether a study uses it. A missing library is a problem only then.
    """
    library, _, name = entry["method"].partition(":")
    peer = importlib.import_module(f"foolflow.attacks.peers.{library}")
    if installed(peer.DISTRIBUTION) is not None:
        yield from (f"{key}.{line}" for line in peer.problems(name, entry.get("parameters", {}), "targets" in entry))
    elif needed:
        yield f"{key}.method: {peer.DISTRIBUTION} is not installed; {peer.INSTALL}"


def _names(file: Path) -> list[str]:
    """Return every name that the top level of a user's file defines, assigns or imports; EVERYTHING for `import *`."""
    try:
        with tokenize.open(file) as opened:  # in the file's own encoding
            source = opened.read()
        symbols = symtable(source, str(file), "exec").get_symbols()
    except ValueError as error:
        raise InvalidInput(f"{file} is not a Python file: {error}") from error
    names = [one.get_name() for one in symbols if one.is_assigned() or one.is_imported()]
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    return [*names, *(EVERYTHING for node in imports for alias in node.names if alias.name == EVERYTHING)]


def _definition(kind: str, module: str, name: str) -> ast.ClassDef | ast.FunctionDef | None:
    file = PACKAGE / kind / f"{module}.py"
    return _definitions(file).get(name) if file.is_file() else None


def _definitions(file: Path) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    tree = ast.parse(file.read_bytes(), filename=str(file))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def _signature(definition: ast.ClassDef | ast.FunctionDef) -> ast.arguments | None:
    if isinstance(definition, ast.FunctionDef):
        return definition.args
    for node in definition.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return node.args
    return None


def _available(kind: str) -> list[str]:
    """Return the names that a config may use: classes of models/, attacks and defenses."""
    names = []
    for file in sorted((PACKAGE / kind).glob("[a-z]*.py")):
        for name, definition in _definitions(file).items():
            if kind == "models" and isinstance(definition, ast.ClassDef) and not _is_layer(definition):
                names.append(f"{file.stem}.{name}")
            elif (
                kind != "models"
                and name == file.stem
                and isinstance(definition, ast.FunctionDef)
                and _is_method(kind, definition)
            ):
                names.append(name)
    return names


def _is_method(kind: str, definition: ast.FunctionDef) -> bool:
    """Whether the function is a method. In foolflow/attacks, functions that do not take a model first are helpers."""
    return kind != "attacks" or [argument.arg for argument in definition.args.args][:1] == ["model"]


def _is_layer(definition: ast.ClassDef) -> bool:
    signature = _signature(definition)
    return signature is None or [argument.arg for argument in signature.args[1:]] != ["channels", "size", "classes"]
