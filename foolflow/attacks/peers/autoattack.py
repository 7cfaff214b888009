"""AutoAttack (Croce and Hein 2020, arXiv 2003.01690) from the package pyautoattack, `autoattack:<version>`.

The versions are standard (APGD with cross-entropy, targeted APGD, targeted FAB and Square, each on the images that the
previous ones did not fool), plus, rand (for randomised victims), and custom with `attacks`. `epsilon` is required;
`norm` is Linf, L2 or L1. With fewer than 4 classes, targeted APGD uses the cross-entropy; with 2, `apgd-dlr` is left
out.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from foolflow.attacks.peers import sources

if TYPE_CHECKING:
    from torch import Tensor

    from foolflow.attacks.peers.running import Counted, MakeImages

DISTRIBUTION = "pyautoattack"
INSTALL = "pip install pyautoattack"
VERSIONS = ("custom", "plus", "rand", "standard")
PARTS = ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square")
CLASSES_OF_DLR, CLASSES_OF_TARGETED_DLR = 3, 4
OTHERS_OF_STANDARD = 9  # number of classes that a targeted attack of AutoAttack aims at, if there are enough


def problems(name: str, given: Mapping[str, Any], targeted: bool) -> Iterator[str]:
    if name not in VERSIONS:
        yield sources.unknown_name("AutoAttack", name, VERSIONS)
        return
    if targeted:
        yield f"targets: {name} does not support targets"
    takes = {
        "epsilon": sources.parameter("float"),
        "norm": sources.parameter("Literal['Linf', 'L2', 'L1']", "'Linf'"),
    }
    if name == "custom":
        takes["attacks"] = sources.parameter("list")
        parts = given.get("attacks")
        unknown = [part for part in parts if part not in PARTS] if isinstance(parts, list) else []
        if parts == []:
            yield f"parameters.attacks: is empty; choose from {', '.join(PARTS)}"
        yield from (f"parameters.attacks: {part!r} is not one of {', '.join(PARTS)}" for part in unknown)
    yield from sources.parameter_problems(name, given, takes)


def _adapt_to_few_classes(theirs: Any, classes: int) -> None:
    """Avoid the losses that need more classes: the DLR loss needs 3, the targeted one 4."""
    if classes < CLASSES_OF_TARGETED_DLR:
        theirs.apgd_targeted.dlr_loss_targeted = theirs.apgd_targeted.ce_loss_targeted
    if classes < CLASSES_OF_DLR:
        theirs.attacks_to_run = [part for part in theirs.attacks_to_run if part != "apgd-dlr"] or ["apgd-ce"]


def make(name: str, given: Mapping[str, Any]) -> "MakeImages":
    import torch
    from pyautoattack import AutoAttack

    def run(model: "Counted", images: "Tensor", labels: "Tensor", targets: "Tensor | None") -> "Tensor":
        theirs = AutoAttack(
            model,
            device=images.device,
            eps=given["epsilon"],
            norm=given.get("norm", "Linf"),
            attacks=given.get("attacks"),
            version=name,
            seed=torch.initial_seed() % 2**31,
        )
        others = min(OTHERS_OF_STANDARD, model.classes - 1)
        theirs.apgd_targeted.n_target_classes = min(theirs.apgd_targeted.n_target_classes, others)
        theirs.fab.n_target_classes = min(theirs.fab.n_target_classes, others)
        _adapt_to_few_classes(theirs, model.classes)
        return theirs.run_standard_evaluation(images, labels, batch_size=len(images))[0]

    return run
