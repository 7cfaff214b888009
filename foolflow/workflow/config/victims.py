"""Check the victims of all studies: supplied weights cannot be trained."""

import importlib
from collections.abc import Iterator

from foolflow.models.kinds import is_supplied
from foolflow.studies.cells import trained_defenses, victims_of
from foolflow.workflow.config.names import Config


def victim_problems(config: Config) -> Iterator[str]:
    """Yield one line for each victim that would have to be trained but cannot be.

    config: without problems of other kinds, with its defaults filled in.
    """
    for study in config["studies"]:
        for victim in victims_of(importlib.import_module(f"foolflow.studies.{study}").cells(config)):
            model, defense = victim["model"], victim["defense"]
            if is_supplied(config["models"][model]) and defense in trained_defenses(config)[1:]:
                yield (
                    f"studies.{study}: {defense} has to train, but the weights of {model} are supplied; "
                    "leave it out, or choose a defense with `at: [test]`"
                )
