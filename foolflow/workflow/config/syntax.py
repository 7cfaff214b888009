"""Find config files that YAML cannot parse, and keys that it silently drops."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from foolflow.workflow.config.names import join

FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, but its errors are harder to understand


def syntax_problem(file: Path) -> str | None:
    """Explain why a config file is not valid YAML, or has no keys. Snakemake reports neither the file nor the line.

    Returns None for a missing file, which Snakemake does report.
    """
    if not file.is_file():
        return None
    try:
        tree = _compose(file.read_bytes())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return f"{file}{place}: {error.problem or error.context}; fix it, and check the indentation above"
    except yaml.YAMLError as error:
        return f"{file}: {' '.join(str(error).split())}; save it as UTF-8 text"
    return None if isinstance(tree, yaml.MappingNode) else f"{file}: no keys; see the project's config.yaml"


def repeated_keys(file: Path) -> list[str]:
    """List the keys that a config file gives twice. YAML silently keeps the last one."""
    try:
        tree = _compose(file.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return []  # Snakemake has read the file, perhaps as JSON
    return [f"{file}, line {line}: {key} is given twice; keep one" for key, line in _repeated(tree, "")]


def _compose(text: str | bytes) -> yaml.Node | None:
    """Parse YAML. Raises YAMLError, always with the message of the Python parser."""
    try:
        return yaml.compose(text, Loader=FAST)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _repeated(node: yaml.Node | None, key: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        earlier = set()
        for name, value in node.value:
            inner = join(key, name.value)
            if inner in earlier:
                yield inner, name.start_mark.line + 1
            earlier.add(inner)
            yield from _repeated(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, join(key, index))
