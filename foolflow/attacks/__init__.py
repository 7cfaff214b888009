"""The attacks, each a function of its module's name: `foolflow.attacks.fgsm(model, images, labels, epsilon=0.1)`."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foolflow.attacks.apgd import apgd as apgd
    from foolflow.attacks.autoattack import autoattack as autoattack
    from foolflow.attacks.automatic import automatic as automatic
    from foolflow.attacks.corrupt import corrupt as corrupt
    from foolflow.attacks.deepfool import deepfool as deepfool
    from foolflow.attacks.dichotomy import dichotomy as dichotomy
    from foolflow.attacks.fab import fab as fab
    from foolflow.attacks.fgsm import fgsm as fgsm
    from foolflow.attacks.fixed_norm import fixed_norm as fixed_norm
    from foolflow.attacks.pgd import pgd as pgd
    from foolflow.attacks.pgd_undetected import pgd_undetected as pgd_undetected
    from foolflow.attacks.square import square as square
    from foolflow.attacks.stadv import stadv as stadv
    from foolflow.attacks.stadv_students import stadv_students as stadv_students


class _Attacks(ModuleType):
    """Returns the function instead of the submodule of the same name, and imports it on first use."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return _attacks()
        try:
            importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
            raise AttributeError(f"there is no attack {name!r}") from None
        return vars(self)[name]

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a submodule on its package once it is loaded.
        super().__setattr__(name, getattr(value, name, value))

    def __dir__(self) -> list[str]:
        return _attacks()


def _attacks() -> list[str]:
    """Return the names of the attacks, read from source: functions named like their module that take `model` first."""
    modules = {path.stem: path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py")}
    return sorted(name for name, code in modules.items() if re.search(rf"^def {name}\(\s*model\b", code, re.MULTILINE))


sys.modules[__name__].__class__ = _Attacks
