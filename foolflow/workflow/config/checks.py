"""Check a whole config."""

import importlib
from collections.abc import Iterator

from foolflow.workflow.config.datasets import training_problems
from foolflow.workflow.config.defaults import with_defaults
from foolflow.workflow.config.names import Config
from foolflow.workflow.config.numbers import not_finite
from foolflow.workflow.config.references import reference_problems
from foolflow.workflow.config.schema import schema_problems
from foolflow.workflow.config.victims import victim_problems


def problems(config: Config, schema: Config) -> list[str]:
    """Return one line for each problem of `config`, sorted.

    Names and parameters are checked only once the config fits the schema, and victims only once all names exist.
    schema: the parsed schemas/config.schema.yaml.
    """
    filled = with_defaults(config)
    lines = {*schema_problems(config, schema), *not_finite(config)}
    lines = lines or set(_meaning_problems(filled)) or {*training_problems(filled), *victim_problems(filled)}
    return [_printable(line) for line in sorted(lines)]


def _meaning_problems(config: Config) -> Iterator[str]:
    yield from reference_problems(config)
    for study in config["studies"]:  # the schema has checked their names
        yield from importlib.import_module(f"foolflow.studies.{study}").problems(config)


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)
