"""AutoAttack (Croce and Hein 2020, arXiv 2003.01690) from the package pyautoattack, `autoattack:<version>`.

The versions are standard (APGD with cross-entropy, targeted APGD, targeted FAB and Square, each on the images that the
previous ones did not fool), plus, rand (for randomised victims), and custom with `attacks`. `epsilon` is required;
`norm` is Linf, L2 or L1.
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
        yield from (f"parameters.attacks: {part!r} is not one of {', '.join(PARTS)}" for part in unknown)
    yield from sources.parameter_problems(name, given, takes)


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
        return theirs.run_standard_evaluation(images, labels, batch_size=len(images))[0]

    return run
