"""Torchattacks' attacks (Kim 2020, arXiv 2010.01950), `torchattacks:<class of torchattacks>`.

Its `eps` is called epsilon here and is required.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from foolflow.attacks.peers import sources

if TYPE_CHECKING:
    from torch import Tensor

    from foolflow.attacks.peers.running import Counted, MakeImages

DISTRIBUTION = "torchattacks"
INSTALL = "pip install --no-deps torchattacks (it pins requests to a release of 2020 that it does not need)"
MODULE = "torchattacks"


def problems(name: str, given: Mapping[str, Any], targeted: bool) -> Iterator[str]:
    attack = sources.find(MODULE, name)
    if attack is None or not _is_attack(attack):
        yield sources.unknown_name("torchattacks", name, sources.attacks(MODULE, _is_attack))
        return
    if targeted and not _has_targets(attack):
        yield f"targets: {name} does not support targets"
    takes = dict(list(sources.parameters(attack).items())[1:])  # after the model
    has_radius = "eps" in takes
    takes = sources.configurable(takes, "eps", "seed")
    if has_radius:
        takes["epsilon"] = sources.parameter("float")
    yield from sources.parameter_problems(name, given, takes)


def _is_attack(definition: sources.Definition) -> bool:
    """Whether the class is an attack. Wrappers of other attacks take arguments that a config cannot express."""
    return sources.derives(definition, "Attack") and ".wrappers." not in definition.module


def _has_targets(attack: sources.Definition) -> bool:
    """Whether the class or one of its bases sets `supported_mode` to a list with "targeted"."""
    for ancestor in sources.lineage(attack):
        for node in ast.walk(ancestor.node):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "self.supported_mode":
                return "targeted" in ast.literal_eval(node.value)
    return False


def make(name: str, given: Mapping[str, Any]) -> "MakeImages":
    import torchattacks

    settings = dict(given)
    if "epsilon" in settings:
        settings["eps"] = settings.pop("epsilon")

    def run(model: "Counted", images: "Tensor", labels: "Tensor", targets: "Tensor | None") -> "Tensor":
        attack = getattr(torchattacks, name)(model, **settings)
        if targets is None:
            return attack(images, labels)
        attack.set_mode_targeted_by_label(quiet=True)
        return attack(images, targets)

    return run
