"""The Adversarial Robustness Toolbox's attacks (Nicolae et al. 2018, arXiv 1807.01069), `art:<class of
art.attacks.evasion>`.

Its `eps` is called epsilon here and is required; its own `epsilon`, which is not a radius, keeps its default. By
default ART attacks one image after the other; here it attacks a whole batch at once. SpatialTransformation searches for
one shift and rotation that fools as many of the given images as possible. Here it is given one image at a time, so each
image gets its own, as in Engstrom et al. 2019, arXiv 1712.02779.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from foolflow.attacks.peers import sources

if TYPE_CHECKING:
    from torch import Tensor

    from foolflow.attacks.peers.running import Counted, MakeImages

DISTRIBUTION = "adversarial-robustness-toolbox"
INSTALL = sources.IN_THE_EXTRA
MODULE = "art.attacks.evasion"
ONE_BY_ONE = {"SpatialTransformation"}


def problems(name: str, given: Mapping[str, Any], targeted: bool) -> Iterator[str]:
    attack = sources.find(MODULE, name)
    if attack is None or not _is_attack(attack):
        yield sources.unknown_name("ART", name, sources.attacks(MODULE, _is_attack))
        return
    takes = dict(list(sources.parameters(attack).items())[1:])  # after the classifier
    if targeted and "targeted" not in takes:
        yield f"targets: {name} does not support targets"
    has_radius = "eps" in takes
    takes = sources.configurable(takes, "targeted", "eps", "epsilon", "verbose")
    if has_radius:
        takes["epsilon"] = sources.parameter("float")
    yield from sources.parameter_problems(name, given, takes)


def _is_attack(definition: sources.Definition) -> bool:
    return sources.derives(definition, "EvasionAttack")


def make(name: str, given: Mapping[str, Any]) -> "MakeImages":
    import numpy as np
    import torch
    from art.attacks import evasion
    from art.estimators.classification import PyTorchClassifier

    attack = getattr(evasion, name)
    settings = dict(given)
    if "epsilon" in settings:
        settings["eps"] = settings.pop("epsilon")
    if "verbose" in attack.attack_params:
        settings["verbose"] = False

    def run(model: "Counted", images: "Tensor", labels: "Tensor", targets: "Tensor | None") -> "Tensor":
        theirs = PyTorchClassifier(
            model=model,
            loss=torch.nn.CrossEntropyLoss(),
            input_shape=tuple(images.shape[1:]),
            nb_classes=model.classes,
            clip_values=(0.0, 1.0),
            device_type="gpu" if images.device.type == "cuda" else "cpu",
        )
        batch = {"batch_size": len(images)} if "batch_size" in attack.attack_params else {}
        aim = {} if targets is None else {"targeted": True}
        pixels, classes = images.cpu().numpy(), (labels if targets is None else targets).cpu().numpy()

        def attacked(rows: slice) -> np.ndarray:
            return attack(theirs, **{**batch, **aim, **settings}).generate(x=pixels[rows], y=classes[rows])

        count = len(pixels)
        parts = [slice(row, row + 1) for row in range(count)] if name in ONE_BY_ONE else [slice(count)]
        made = np.concatenate([attacked(rows) for rows in parts])
        return torch.from_numpy(made.astype(np.float32)).to(images.device)

    return run
