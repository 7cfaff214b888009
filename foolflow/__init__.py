"""Attack, defend and measure image classifiers.

    import foolflow

    result = foolflow.evaluate(model, images, labels, epsilon=8/255)
    adversarial = foolflow.attacks.fgsm(model, images, labels, epsilon=8/255)

Nothing is imported before it is used: a job of the workflow loads only what it needs.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foolflow import attacks as attacks
    from foolflow.errors import InvalidInput as InvalidInput
    from foolflow.evaluate import evaluate as evaluate
    from foolflow.models.victims import load_victim as load_victim

    __version__: str

__all__ = ["InvalidInput", "attacks", "evaluate", "load_victim"]


if not TYPE_CHECKING:  # a type checker reports names that do not exist

    def __getattr__(name: str) -> Any:
        match name:
            case "attacks":
                return importlib.import_module("foolflow.attacks")
            case "evaluate":
                return importlib.import_module("foolflow.evaluate").evaluate
            case "load_victim":
                return importlib.import_module("foolflow.models.victims").load_victim
            case "InvalidInput":
                return importlib.import_module("foolflow.errors").InvalidInput
            case "__version__":
                return _version()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Foolflow(ModuleType):
    """Keeps `foolflow.evaluate` the function, though a submodule has the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a submodule on its package once it is loaded.
        super().__setattr__(name, value.evaluate if name == "evaluate" else value)


sys.modules[__name__].__class__ = _Foolflow


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def _version() -> str:
    """Read pyproject.toml in a clone, installed or not; elsewhere the metadata of the installed package."""
    import tomllib
    from importlib.metadata import version

    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"])
    return version("foolflow")
