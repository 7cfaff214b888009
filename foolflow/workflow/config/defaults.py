"""Fill in what a config leaves out."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from foolflow.workflow.config.names import Config
from foolflow.workflow.config.schema import load_schema


def with_defaults(config: Config) -> dict[str, Any]:
    """Return a copy of `config` with each missing key that has a `default` in the project's schema.

    The defaults are stated in schemas/config.schema.yaml alone. Values of the wrong type are copied as they are.
    """
    schema = load_schema()
    return _filled(config, schema, schema["$defs"])


def _filled(value: Any, schema: Config, definitions: Config) -> Any:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, Mapping):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        any_other = others if isinstance(others, Mapping) else {}
        given = {name: _filled(part, properties.get(name, any_other), definitions) for name, part in value.items()}
        missing = {
            name: _filled(deepcopy(known["default"]), known, definitions)
            for name, known in properties.items()
            if "default" in known and name not in value
        }
        return given | missing
    if isinstance(value, list):
        return [_filled(part, schema.get("items", {}), definitions) for part in value]
    return value
