"""The ensemble: at least as strong as its parts, within the ball, for any number of classes."""

import pytest
import torch
from torch import nn

from foolflow.attacks.autoattack import autoattack, has_gradient
from foolflow.attacks.peers.running import load_peer
from foolflow.attacks.pgd import pgd
from foolflow.errors import InvalidInput
from tests.conftest import random_affine

pytest.importorskip("pyautoattack")


def network(classes, seed=0, size=6):
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(size * size, 16), nn.ReLU(), nn.Linear(16, classes)).eval()
    nn.init.normal_(layers[1].weight)
    return layers


def batch(model, count=8, size=6):
    images = 0.2 + 0.6 * torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return images, model(images).argmax(1)


@pytest.mark.parametrize("classes", [2, 3, 4, 12])
@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.05), ("l2", 0.3)])
def test_it_is_as_strong_as_pgd_and_as_autoattack_and_stays_in_the_ball(classes, norm, epsilon):
    model = network(classes)
    images, labels = batch(model)
    made = autoattack(model, images, labels, epsilon=epsilon, norm=norm)
    change = (made.images - images).flatten(1)
    length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert length.max() <= epsilon + 1e-5
    assert torch.equal(made.success, model(made.images).argmax(1) != labels)
    weaker = pgd(model, images, labels, epsilon=epsilon, norm=norm).success
    theirs = load_peer("autoattack:standard", {"epsilon": epsilon, "norm": {"linf": "Linf", "l2": "L2"}[norm]})
    assert made.success[weaker].all()
    assert made.success.sum() >= theirs(model, images, labels).success.sum()
    assert made.success.any()


@pytest.mark.parametrize(
    ("version", "classes"), [("standard", 2), ("standard", 3), ("plus", 2), ("rand", 2), ("rand", 3)]
)
def test_the_package_itself_runs_with_few_classes(version, classes):
    model = network(classes)
    images, labels = batch(model)
    made = load_peer(f"autoattack:{version}", {"epsilon": 0.01})(model, images, labels)
    assert not made.success.all()  # some images went through every part


def test_parts_that_cannot_run_are_named():
    model = network(2)
    images, labels = batch(model)
    with pytest.raises(InvalidInput, match="need more than the model's 2 classes"):
        load_peer("autoattack:custom", {"epsilon": 0.01, "attacks": ["apgd-t"]})(model, images, labels)


class Opaque(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images.detach())


def test_without_a_gradient_the_random_search_runs_alone():
    model = network(4)
    images, labels = batch(model)
    assert has_gradient(model, images)
    assert not has_gradient(Opaque(model), images)
    made = autoattack(Opaque(model), images, labels, epsilon=0.1)
    assert made.success.any()
    assert (made.gradient_evaluations == 0).all()


def test_images_that_are_wrong_already_come_back_unchanged():
    model = random_affine(3)
    images = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    wrong = (model(images).argmax(1) + 1) % 5
    made = autoattack(model, images, wrong, epsilon=0.1)
    assert made.success.all()


def test_an_unknown_norm_is_rejected():
    model = network(3)
    with pytest.raises(InvalidInput, match="is not linf or l2"):
        autoattack(model, *batch(model), epsilon=0.1, norm="L1")
