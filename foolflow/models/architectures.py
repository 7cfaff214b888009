"""Find the networks of foolflow/models by name."""

import importlib
import re
from typing import Any

from foolflow.errors import InvalidInput


def architecture(name: str) -> Any:
    """Return the class of an `architecture`, `module.Class`. Raises InvalidInput if there is no such class."""
    if not re.fullmatch(r"[a-z0-9_]+\.[A-Za-z0-9_]+", name):
        raise InvalidInput(f"architecture {name!r} is not of the form module.Class, such as lenet.LeNet")
    module_name, class_name = name.split(".")
    try:
        return getattr(importlib.import_module(f"foolflow.models.{module_name}"), class_name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InvalidInput(f"architecture {name!r}: foolflow/models has no such class") from error
