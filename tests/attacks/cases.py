"""One table of all attacks, with parameters small enough for tests that run every one of them."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import foolflow
from foolflow.attacks.base import Adversarial

SQUEEZERS = [{"method": "bit_depth", "parameters": {"bits": 3}}]


@dataclass(frozen=True)
class Case:
    """An attack and its parameters.

    targets: whether it takes targets; `needed` if it cannot run without.  gradient: whether it needs one.
    minimal: whether it looks for the smallest perturbation, on any model.
    independent: whether the result for an image depends on that image alone.
    """

    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    targets: bool | str = False
    gradient: bool = True
    minimal: bool = False
    independent: bool = True

    @property
    def epsilon(self) -> float | None:
        return self.parameters.get("epsilon")

    def run(
        self, model: Any, images: Tensor, labels: Tensor, *, classes: int = 2, targeted: bool = False
    ) -> Adversarial:
        """Attack, towards the next of the model's classes if `targeted` or if the attack needs targets."""
        targets = {}
        if targeted or self.targets == "needed":
            targets["targets"] = (labels + 1) % classes
        return getattr(foolflow.attacks, self.method)(model, images, labels, **targets, **self.parameters)


CASES = {
    "fgsm": Case("fgsm", {"epsilon": 0.2}, targets=True),
    "fgsm, l2": Case("fgsm", {"epsilon": 2.5, "norm": "l2"}, targets=True),
    "pgd": Case("pgd", {"epsilon": 0.2, "steps": 6, "restarts": 2}, targets=True),
    "pgd, l2, margin": Case("pgd", {"epsilon": 1.6, "steps": 6, "norm": "l2", "loss": "margin"}, targets=True),
    "pgd_undetected": Case("pgd_undetected", {"epsilon": 0.2, "steps": 6, "squeezers": SQUEEZERS}, targets=True),
    "apgd": Case("apgd", {"epsilon": 0.2, "steps": 8, "restarts": 2}, targets=True),
    "apgd, l2, aimed": Case("apgd", {"epsilon": 1.6, "steps": 8, "norm": "l2", "loss": "dlr", "target_classes": 4}),
    "fab": Case("fab", {"epsilon": 0.15, "steps": 10}, targets=True),
    "fab, minimal": Case("fab", {"norm": "l2", "steps": 20, "target_classes": 4}, targets=True, minimal=True),
    "square": Case("square", {"epsilon": 0.5, "queries": 100}, targets=True, gradient=False),
    "square, l2": Case("square", {"epsilon": 4.0, "norm": "l2", "queries": 200}, gradient=False),
    "autoattack": Case("autoattack", {"epsilon": 0.25, "queries": 20}, gradient=False),
    "corrupt": Case("corrupt", {"epsilon": 0.4, "draws": 3}, gradient=False),
    "corrupt, rotation": Case(
        "corrupt", {"kind": "rotation", "strength": 60, "draws": 3, "up_to": True}, gradient=False
    ),
    "corrupt, translation": Case("corrupt", {"kind": "translation", "strength": 6, "draws": 3}, gradient=False),
    "corrupt, scale": Case("corrupt", {"kind": "scale", "strength": 0.8, "draws": 3}, gradient=False),
    "corrupt, blur": Case("corrupt", {"kind": "blur", "strength": 4}, gradient=False),
    "corrupt, contrast": Case("corrupt", {"kind": "contrast", "strength": 0.01}, gradient=False),
    "deepfool": Case("deepfool", minimal=True),
    "deepfool, linf": Case("deepfool", {"norm": "linf"}, minimal=True),
    "dichotomy": Case("dichotomy", {"steps": 30}, targets=True, minimal=True),
    "dichotomy, linf": Case("dichotomy", {"steps": 30, "norm": "linf"}, targets=True, minimal=True),
    "dichotomy, published": Case(
        "dichotomy",
        {"variant": "published", "steps": 20, "precision": 0.05, "learning_rate": 0.05},
        targets=True,
    ),
    "fixed_norm": Case("fixed_norm", {"epsilon": 2.5, "steps": 30, "learning_rate": 0.05}, targets=True),
    "automatic": Case("automatic", {"steps": 30}, targets=True, minimal=True),
    "automatic, published": Case(
        "automatic", {"variant": "published", "steps": 60, "learning_rate": 0.02}, targets=True
    ),
    "stadv": Case("stadv", {"steps": 20}, targets=True, minimal=True),
    "stadv, l-bfgs": Case("stadv", {"solver": "batched", "tau": 0.01, "max_evaluations": 30}, targets=True),
    "stadv, best shift": Case("stadv", {"tau": 0.02, "init": "shift", "steps": 20}, gradient=False),
    "stadv, bounded": Case(
        "stadv", {"max_displacement": 1.5, "max_flow_loss": 300, "allow_shift": False, "steps": 30, "restarts": 2}
    ),
    "stadv, adam": Case("stadv", {"solver": "adam", "tau": 0.01, "max_evaluations": 30}, targets=True),
    "stadv_students": Case(
        "stadv_students",
        {"scores": "logits", "floor": -1.0, "max_evaluations": 20, "returned": "best"},
        targets="needed",
    ),
}


class ImageByImage(nn.Module):
    """A network whose logits for an image do not even depend on the batch by rounding.

    The copies are aligned alike in memory, on which the rounding of a matrix product depends.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.network(image.clone()) for image in images.split(1)])


class Changed(nn.Module):
    """A network whose output is changed afterwards, and its images before."""

    def __init__(self, network: nn.Module, output=lambda logits: logits, images=lambda images: images) -> None:
        super().__init__()
        self.network, self.output, self.images = network, output, images

    def forward(self, images: Tensor) -> Any:
        return self.output(self.network(self.images(images)))
