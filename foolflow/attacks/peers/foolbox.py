"""Foolbox's attacks (Rauber et al. 2017, arXiv 1707.04131), `foolbox:<class of foolbox.attacks>`.

Minimal-perturbation attacks take no epsilon; the others need one. `distance`, for attacks that take it, is l0, l1, l2
or linf. Boundary attacks start from an adversarial image, which foolbox makes by mixing in noise. If that fails for one
image, foolbox gives up the whole batch; here only that image counts as a failure.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from foolflow.attacks.peers import sources

if TYPE_CHECKING:
    from torch import Tensor

    from foolflow.attacks.peers.running import Counted, MakeImages

DISTRIBUTION = "foolbox"
INSTALL = sources.IN_THE_EXTRA
MODULE = "foolbox.attacks"
# The starting attacks are foolbox's defaults.
WALKS_FROM_BLENDS = (
    "BoundaryAttack",
    "HopSkipJumpAttack",
    "L0BrendelBethgeAttack",
    "L1BrendelBethgeAttack",
    "L2BrendelBethgeAttack",
    "LinfinityBrendelBethgeAttack",
)
WALKS_FROM_SALT_AND_PEPPER = ("PointwiseAttack",)
DISTANCE = "Literal['l0', 'l1', 'l2', 'linf']"


def problems(name: str, given: Mapping[str, Any], targeted: bool) -> Iterator[str]:
    attack = sources.find(MODULE, name)
    if attack is None or not _is_attack(attack):
        yield sources.unknown_name("foolbox", name, sources.attacks(MODULE, _is_attack))
        return
    accepted = _criteria(attack)
    if targeted and not accepted & {"TargetedMisclassification", "Criterion"}:
        yield f"targets: {name} does not support targets"
    if not targeted and accepted == {"TargetedMisclassification"}:
        yield f"targets: missing; {name} needs targets"
    takes = sources.parameters(attack)
    flexible = "distance" in takes
    takes = sources.configurable(takes)
    if sources.derives(attack, "FixedEpsilonAttack"):
        takes["epsilon"] = sources.parameter("float")
    if flexible:
        takes["distance"] = sources.parameter(DISTANCE)
    yield from sources.parameter_problems(name, given, takes)


def _is_attack(definition: sources.Definition) -> bool:
    return sources.derives(definition, "Attack") and definition.module != "foolbox.attacks.base"


def _criteria(attack: sources.Definition) -> set[str]:
    """Return the criteria in the annotation of `run`. DeepFool's annotation is wrong: it ignores the target."""
    if attack.module.endswith(".deepfool"):
        return {"Misclassification"}
    for ancestor in sources.lineage(attack):
        for node in ancestor.node.body:
            if isinstance(node, ast.FunctionDef) and node.name == "run":
                asked = {argument.arg: argument.annotation for argument in node.args.args}["criterion"]
                named = {part.id for part in ast.walk(asked) if isinstance(part, ast.Name)} if asked else set()
                return named & {"Misclassification", "TargetedMisclassification", "Criterion"}
    return set()


def make(name: str, given: Mapping[str, Any]) -> "MakeImages":
    import foolbox

    settings = dict(given)
    epsilon = settings.pop("epsilon", None)
    if "distance" in settings:
        settings["distance"] = getattr(foolbox.distances, settings["distance"])
    attack = getattr(foolbox.attacks, name)(**settings)
    if name in WALKS_FROM_BLENDS:
        starting = foolbox.attacks.LinearSearchBlendedUniformNoiseAttack(steps=50)
    elif name in WALKS_FROM_SALT_AND_PEPPER:
        starting = foolbox.attacks.SaltAndPepperNoiseAttack()
    else:
        starting = None

    def run(model: "Counted", images: "Tensor", labels: "Tensor", targets: "Tensor | None") -> "Tensor":
        theirs = foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
        wanted = foolbox.Misclassification if targets is None else foolbox.TargetedMisclassification
        classes = labels if targets is None else targets
        if starting is None:
            return attack(theirs, images, wanted(classes), epsilons=epsilon)[1]
        starts = starting.run(theirs, images, wanted(classes))
        found = wanted(classes)(starts, model(starts))
        made = images.clone()
        if found.any():
            walk = {"epsilons": None, "starting_points": starts[found]}
            made[found] = attack(theirs, images[found], wanted(classes[found]), **walk)[1]
        return made

    return run
