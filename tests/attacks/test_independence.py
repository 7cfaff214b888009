"""The result of an attack on an image depends on that image alone."""

import pytest
import torch
from torch import nn

import foolflow

ATTACKS = {
    "fgsm": ("fgsm", {"epsilon": 0.1}),
    "fgsm, l2": ("fgsm", {"epsilon": 1.6, "norm": "l2"}),
    "apgd": ("apgd", {"epsilon": 0.2, "steps": 8, "restarts": 2}),
    "apgd, l2, aimed": ("apgd", {"epsilon": 1.6, "steps": 8, "norm": "l2", "loss": "dlr", "target_classes": 4}),
    "fab": ("fab", {"epsilon": 0.15, "steps": 8}),
    "fab, minimal": ("fab", {"norm": "l2", "steps": 8, "target_classes": 4}),
    "square": ("square", {"epsilon": 0.5, "queries": 100}),
    "square, l2": ("square", {"epsilon": 3.0, "norm": "l2", "queries": 60}),
    "autoattack": ("autoattack", {"epsilon": 0.2, "queries": 20}),
    "pgd": ("pgd", {"epsilon": 0.2, "steps": 8, "restarts": 2}),
    "pgd, l2, margin": ("pgd", {"epsilon": 1.6, "steps": 8, "norm": "l2", "loss": "margin"}),
    "pgd_undetected": (
        "pgd_undetected",
        {"epsilon": 0.2, "steps": 8, "squeezers": [{"method": "bit_depth", "parameters": {"bits": 3}}]},
    ),
    "corrupt": ("corrupt", {"epsilon": 0.4, "draws": 3}),
    "deepfool": ("deepfool", {}),
    "deepfool, linf": ("deepfool", {"norm": "linf"}),
    "dichotomy": ("dichotomy", {"steps": 30}),
    "dichotomy, linf": ("dichotomy", {"steps": 30, "norm": "linf"}),
    "dichotomy, published": ("dichotomy", {"variant": "published", "steps": 20, "precision": 0.05}),
    "automatic": ("automatic", {"steps": 30}),
    "automatic, published": ("automatic", {"variant": "published", "steps": 60, "learning_rate": 0.02}),
    "stadv": ("stadv", {}),
    "stadv, l-bfgs": ("stadv", {"solver": "batched", "tau": 0.01, "max_evaluations": 30}),
    "stadv_students": ("stadv_students", {"scores": "logits", "floor": -1.0, "max_evaluations": 20}),
}
TARGETED = (
    "pgd",
    "apgd",
    "fab, minimal",
    "square",
    "dichotomy",
    "automatic",
    "stadv",
    "stadv, l-bfgs",
    "stadv_students",
)


class ImageByImage(nn.Module):
    """A network whose logits for an image do not even depend on the batch by rounding."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return torch.cat([self.network(image) for image in images.split(1)])


@pytest.mark.parametrize(
    ("name", "targeted"),
    [(name, False) for name in ATTACKS if name != "stadv_students"] + [(name, True) for name in TARGETED],
)
def test_an_image_in_a_batch_and_alone_gives_the_same_bits(trained, name, targeted):
    """The rounding of a network depends on the batch, and a long search amplifies it. Nothing else may matter."""
    method, parameters = ATTACKS[name]
    images, labels = trained.images[:12], trained.labels[:12]
    model = ImageByImage(trained.model)

    def attacked(rows):
        targets = {"targets": (labels[rows] + 1) % 10} if targeted else {}
        return getattr(foolflow.attacks, method)(model, images[rows], labels[rows], **targets, **parameters)

    together = attacked(slice(None))
    assert together.success.any()
    for row in (0, 5, 11):
        alone = attacked(slice(row, row + 1))
        for field in ("images", "success", "iterations", "gradient_evaluations"):
            assert torch.equal(getattr(alone, field)[0], getattr(together, field)[row]), field
        for detail, values in alone.details.items():
            assert torch.equal(values[0], together.details[detail][row]), detail
