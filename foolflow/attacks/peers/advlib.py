"""Adversarial Library's attacks (Rony et al., github.com/jeromerony/adversarial-library), `advlib:<function of
adv_lib.attacks>`.

`norm` may be .inf. All radii are called epsilon here; their names in the library differ.
"""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from foolflow.attacks.peers import sources

if TYPE_CHECKING:
    from torch import Tensor

    from foolflow.attacks.peers.running import Counted, MakeImages

DISTRIBUTION = "adv-lib"
INSTALL = "pip install --no-deps adv-lib tqdm (its dependency visdom no longer builds, and no attack needs it)"
MODULE = "adv_lib.attacks"
RADII = ("eps", "ε")  # radii if they are required; optional ones are a step size or a bound of the restarts


def problems(name: str, given: Mapping[str, Any], targeted: bool) -> Iterator[str]:
    attack = sources.find(MODULE, name)
    if attack is None:
        yield sources.unknown_name("adv-lib", name, set(sources.names(MODULE)))
        return
    takes = dict(list(sources.parameters(attack).items())[3:])  # after the model, the images and the labels
    if targeted and "targeted" not in takes:
        yield f"targets: {name} does not support targets"
    ours = {
        "epsilon" if key in RADII and one.default is None else key: one
        for key, one in sources.configurable(takes, "targeted", "return_targets").items()
    }
    yield from sources.parameter_problems(name, given, ours)


def make(name: str, given: Mapping[str, Any]) -> "MakeImages":
    attack = getattr(_attacks(), name)
    settings = dict(given)
    if "epsilon" in settings:
        (radius,) = (key for key in RADII if key in attack.__code__.co_varnames[: attack.__code__.co_argcount])
        settings[radius] = settings.pop("epsilon")

    def run(model: "Counted", images: "Tensor", labels: "Tensor", targets: "Tensor | None") -> "Tensor":
        if targets is None:
            return attack(model, images, labels, targeted=False, **settings)
        return attack(model, images, targets, targeted=True, **settings)

    return run


def _attacks() -> ModuleType:
    """Import adv_lib.attacks without visdom, a plot server that it needs only for the type of an unused callback."""
    if importlib.util.find_spec("visdom") is None:
        sys.modules["visdom"] = ModuleType("visdom")
        try:
            return importlib.import_module(MODULE)
        finally:
            del sys.modules["visdom"]
    return importlib.import_module(MODULE)
