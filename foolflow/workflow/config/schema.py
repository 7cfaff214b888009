"""Check a config against its JSON schema, and explain each violation in one line."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from foolflow.workflow.config.names import Config, join
from foolflow.workflow.project import project_folder

# jsonschema accepts 3.0 as an integer; range() and slices do not.
Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)


@cache
def load_schema() -> Config:
    """Return the project's schema: schemas/config.schema.yaml, and for each study schemas/studies/<name>.yaml."""
    folder = project_folder() / "schemas"
    schema = _parsed(folder / "config.schema.yaml")
    studies = {file.stem: _parsed(file) for file in sorted((folder / "studies").glob("*.yaml"))}
    schema["properties"]["studies"]["properties"] = studies
    return schema


def _parsed(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def schema_problems(config: Config, schema: Config) -> Iterator[str]:
    for error in Validator(schema).iter_errors(config):
        yield from _explained(error)


def _explained(error: Any) -> Iterator[str]:
    key = _key(error)
    match error.validator:
        case _ if "propertyNames" in error.absolute_schema_path and not isinstance(error.instance, str):
            yield f"{join(key, error.instance)}: YAML reads this name as {_kind(error.instance)}; put it in quotes"
        case _ if "propertyNames" in error.absolute_schema_path:
            yield f"{join(key, error.instance)}: not a usable name; letters, digits, _ and -, 64 at most, not 'none'"
        case "additionalProperties":
            allowed = sorted(error.schema["properties"])
            for name in sorted(set(error.instance) - set(allowed), key=str):
                yield f"{join(key, name)}: unknown key; allowed are {', '.join(allowed)}"
        case "required":
            name = error.message.split("'")[1]
            yield f"{join(key, name)}: missing"
        case "oneOf" if all(option.keys() == {"required"} for option in error.validator_value):
            if not isinstance(error.instance, dict):
                return  # the wrong type has its own error
            names = [option["required"][0] for option in error.validator_value]
            given = [name for name in names if name in error.instance]
            if len(names) == 2:
                wrong = "both are given" if given else "neither is given"
                yield f"{key}: needs {' or '.join(names)}; {wrong}"
            else:
                wrong = f"{' and '.join(given)} are given" if given else "none is given"
                yield f"{key}: needs one of {', '.join(names)}; {wrong}"
        case "anyOf" if all(option.keys() == {"required"} for option in error.validator_value):
            yield f"{key}: needs at least one of {', '.join(option['required'][0] for option in error.validator_value)}"
        case "oneOf":
            options = "; ".join(_allowed(option) for option in error.validator_value)
            yield f"{key}: {error.instance!r} is none of: {options}"
        case "enum":
            yield f"{key}: {error.instance!r} is not one of {', '.join(map(str, error.validator_value))}"
        case "not" if len(error.validator_value.get("required", [])) == 2:
            if isinstance(error.instance, dict):
                yield f"{key}: {' and '.join(error.validator_value['required'])} exclude each other"
        case "not" if "required" in error.validator_value:
            name = error.validator_value["required"][0]
            if isinstance(error.instance, dict):
                yield f"{join(key, name)}: not for this source, which has published {name} images"
        case "dependentRequired":
            for name in sorted(error.instance.keys() & error.validator_value.keys()):
                for other in error.validator_value[name]:
                    if other not in error.instance:
                        yield f"{key}: {name} without {other}; give both or neither"
        case "type" if error.validator_value == "array" and type(error.instance) in (int, float):
            yield f"{key}: {error.instance} is not a list; write [{error.instance}]"
        case "type" if re.search(r"\.classes\.\d+$", key):
            yield f"{key}: YAML reads this name as {_kind(error.instance)}; put it in quotes"
        case "type" if key.endswith(".classes"):
            yield f"{key}: {error.instance!r} is neither a list of class names nor the path of a text file"
        case "minItems" | "maxItems" if error.validator_value > 1:
            limit = "at most {} are allowed" if error.validator == "maxItems" else "at least {} are needed"
            yield f"{key}: {len(error.instance)} given; {limit.format(error.validator_value)}"
        case "minLength" if error.instance == "":
            yield f"{key}: the text is empty"
        case "exclusiveMinimum" if error.validator_value == 0:
            yield f"{key}: {error.instance} is not above 0"
        case "pattern" if key == "results":
            yield f"results: {error.instance!r} is not a usable folder: no leading ~, no trailing /, none of {{}}<>"
        case "pattern" if "description" in error.schema:
            yield f"{key}: {error.instance!r} is not {error.schema['description']}"
        case "pattern":
            yield f"{key}: {error.instance!r} does not match {error.validator_value}"
        case _:
            yield f"{key}: {error.message}"


def _key(error: Any) -> str:
    return ".".join(str(part) for part in error.absolute_path)


def _kind(value: object) -> str:
    return {bool: "true or false", type(None): "null"}.get(type(value), "a number or a date")


def _allowed(option: Config) -> str:
    if "description" in option:
        return str(option["description"])
    if "const" in option:
        return str(option["const"])
    if option.get("type") == "null":
        return "null"
    if option.get("$ref") == "#/$defs/names":
        return "a list of names"
    if "$ref" in option:
        return "a number above 0" if option["$ref"].endswith("epsilon") else "letters, digits, _ and -"
    if "enum" in option:
        return ", ".join(option["enum"])
    if option.get("type") == ["number", "boolean"]:
        return "a number, true, false"
    if option.get("type") == "integer":
        return "the number of a class"
    return "a list of such numbers" if option.get("type") == "array" else str(option)
