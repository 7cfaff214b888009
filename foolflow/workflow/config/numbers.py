"""Read the numbers in a config that YAML takes for text, and find numbers that are not finite."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from foolflow.workflow.config.names import Config, join
from foolflow.workflow.config.schema import load_schema

# YAML 1.1, which PyYAML implements, takes 5e-2 and -.5 for text: it requires a point, a sign in the exponent, and a
# digit between a sign and a point.
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_MISREAD = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+|[-+]\.[0-9]+")
EXACT = 2**53  # the floats below are exact if they are whole


def with_numbers(config: Config) -> dict[str, Any]:
    """Return a copy of `config` in which text that is exactly a number, such as `5e-2` or `8/255`, is that number.

    Text is a number where the project's schema takes one. Where the schema leaves a value open, as in `parameters` and
    `arguments`, text is a number if YAML cannot have read it as one: with an exponent, or a fraction, even if it is
    meant as a path, such as 2024/05. A name, a path or a title elsewhere is never a number. Quotes make no difference:
    Snakemake reads the files, and it does not report quotes. A whole number without a point, such as `1e3`, is an int.
    """
    schema = load_schema()
    return _converted(config, [schema], schema["$defs"])


def _converted(value: Any, described: Sequence[Config], definitions: Config) -> Any:
    """Convert `value`. described: the schemas that it can fit; none if the schema leaves it open."""
    options = [option for one in described for option in _options(one, definitions)]
    if isinstance(value, Mapping):
        return {
            name: _converted(part, [inner for one in options for inner in _inside(one, name)], definitions)
            for name, part in value.items()
        }
    if isinstance(value, list):
        items = [one["items"] for one in options if "items" in one]
        return [_converted(part, items, definitions) for part in value]
    if not isinstance(value, str):
        return value
    number, types = _number(value), {name for one in options for name in _types(one)}
    return value if number is None or not _fits(value, number, types) else number


def _fits(text: str, number: float, types: set[str]) -> bool:
    """Whether `text`, which is `number`, stands where the schema allows these `types`; if there are none, anything."""
    takes_integers = "integer" in types and "string" not in types  # if both, text is a name, such as that of a class
    if types and "number" not in types and not (takes_integers and isinstance(number, int)):
        return False
    may_be_text = not types or "string" in types
    return not may_be_text or "/" in text or _MISREAD.fullmatch(text) is not None


def _options(described: Config, definitions: Config) -> Iterator[Config]:
    """Yield a schema and the schemas that it refers to or combines."""
    yield described
    if "$ref" in described:
        yield from _options(definitions[described["$ref"].removeprefix("#/$defs/")], definitions)
    combined = [one for keyword in ("allOf", "anyOf", "oneOf") for one in described.get(keyword, [])]
    branches = [described[keyword] for keyword in ("then", "else") if keyword in described]
    for one in combined + branches:
        yield from _options(one, definitions)


def _inside(described: Config, name: str) -> Iterator[Config]:
    """Yield the schema of the key `name` in an object that fits `described`, if it has one."""
    others = described.get("additionalProperties")
    if name in described.get("properties", {}):
        yield described["properties"][name]
    elif isinstance(others, Mapping):
        yield others


def _types(described: Config) -> Iterator[str]:
    """Yield the names of the types that a schema allows; `choice` for text that it lists."""
    given = described.get("type", [])
    yield from [given] if isinstance(given, str) else given
    for value in described.get("enum", []):
        yield {int: "integer", float: "number"}.get(type(value), "choice")


def _number(text: str) -> float | int | None:
    """Read `5e-2`, `0.05`, `3` and `8/255`. Returns None for any other text."""
    upper, slash, lower = text.partition("/")
    if not all(_NUMBER.fullmatch(part.strip()) for part in ((upper, lower) if slash else (text,))):
        return None
    if slash:
        return float(upper) / float(lower) if float(lower) else None
    number = float(text)
    return int(number) if "." not in text and number.is_integer() and abs(number) < EXACT else number


def not_finite(config: Any) -> Iterator[str]:
    """Yield one line for each number that is not finite. A schema cannot reject NaN, which is below every maximum.

    A key named `norm` may be infinite.
    """
    for key, value in _leaves(config, ""):
        if isinstance(value, float) and not math.isfinite(value) and not (key.endswith(".norm") and value > 0):
            yield f"{key}: {value} is not a finite number"


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping | list):
        for name, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _leaves(part, join(key, name))
    else:
        yield key, value
