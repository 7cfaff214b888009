import sys

import pytest
import torch
from torch import nn

from foolflow.attacks.autoattack import MISCLASSIFIED, NOT_FOOLED, autoattack
from foolflow.attacks.peers.running import load_peer
from foolflow.errors import InvalidInput

QUERIES = 100
SQUARE = 5


def few_classes(classes):
    """A network that some images resist, so that they reach every part of the ensemble."""
    torch.manual_seed(0)
    images = torch.rand(12, 3, 6, 4)
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Tanh(), nn.Linear(8, classes))
    return network, images, network(images).argmax(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_few_classes(classes, norm):
    network, images, labels = few_classes(classes)
    epsilon = {"linf": 0.01, "l2": 0.08}[norm]
    made = autoattack(network, images, labels, epsilon=epsilon, norm=norm, queries=QUERIES)
    assert (made.details["stage"] == NOT_FOOLED).any()  # all attacks ran
    sizes = (made.images - images).flatten(1).norm(p=torch.inf if norm == "linf" else 2, dim=1)
    assert sizes.max() <= epsilon + 1e-5
    assert (sizes[~made.success] == 0).all()
    again = autoattack(network, images, labels, epsilon=epsilon, norm=norm, queries=QUERIES)
    assert torch.equal(made.images, again.images)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_is_as_strong_as_pyautoattack(norm):
    pytest.importorskip("pyautoattack")
    network, images, labels = few_classes(4)
    epsilon, name = {"linf": (0.02, "Linf"), "l2": (0.15, "L2")}[norm]
    made = autoattack(network, images, labels, epsilon=epsilon, norm=norm, queries=QUERIES)
    parts = {"attacks": ["apgd-t", "fab-t"], "epsilon": epsilon, "norm": name}
    theirs = load_peer("autoattack:custom", parts)(network, images, labels)
    assert made.success.sum() >= theirs.success.sum() > 0


def test_it_needs_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    network, images, labels = few_classes(3)
    assert autoattack(network, images, labels, epsilon=0.1, queries=QUERIES).success.all()


def test_easy_images_leave_after_a_few_gradients(trained):
    images, labels = trained.images[:50], trained.labels[:50]
    made = autoattack(trained.model, images, labels, epsilon=0.5)
    assert made.success.all()
    assert set(made.details["stage"].tolist()) <= {MISCLASSIFIED, 1}
    assert made.gradient_evaluations.max() <= 10


def test_misclassified_images_are_left_alone():
    network, images, labels = few_classes(3)
    labels[:4] = (labels[:4] + 1) % 3
    made = autoattack(network, images, labels, epsilon=0.02, queries=QUERIES)
    assert (made.details["stage"][:4] == MISCLASSIFIED).all()
    assert torch.equal(made.images[:4], images[:4])
    assert (made.gradient_evaluations[:4] == 0).all()


class Opaque(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images.detach())


def test_without_a_gradient_the_random_search_runs_alone():
    network, images, labels = few_classes(4)
    with pytest.warns(UserWarning, match="autoattack runs Square alone, since the model has no gradient") as caught:
        made = autoattack(Opaque(network), images, labels, epsilon=0.3, queries=QUERIES)
    assert caught[0].filename == __file__  # where it is called
    assert made.success.any()
    assert (made.gradient_evaluations == 0).all()
    assert set(made.details["stage"].tolist()) <= {NOT_FOOLED, SQUARE}


class Masked(nn.Module):
    """Logits that are rounded, so that their gradient is zero, or so large that the softmax is certain."""

    def __init__(self, network, kind):
        super().__init__()
        self.network, self.kind = network, kind

    def forward(self, images):
        logits = self.network(images)
        return {"rounded": (logits * 20).round(), "large": logits * 1e4}[self.kind]


@pytest.mark.parametrize("kind", ["rounded", "large"])
def test_masked_gradients_hide_nothing(kind):
    network, images, _ = few_classes(4)
    masked = Masked(network, kind)
    made = autoattack(masked, images, masked(images).argmax(1), epsilon=0.1, queries=1000)
    assert made.success.sum() >= 7  # pyautoattack fools 6 of the rounded ones with 5,000 queries


def test_several_epsilons_are_stacked():
    network, images, labels = few_classes(3)
    made = autoattack(network, images, labels, epsilon=[0.01, 0.05], queries=QUERIES)
    one = autoattack(network, images, labels, epsilon=0.05, queries=QUERIES)
    assert torch.equal(made.images[1], one.images)
    assert torch.equal(made.details["stage"][1], one.details["stage"])


@pytest.mark.parametrize("parameters", [{"norm": "l1"}, {"queries": 0}, {"epsilon": -0.1}])
def test_parameters_out_of_range_are_rejected(parameters):
    network, images, labels = few_classes(3)
    with pytest.raises(InvalidInput):
        autoattack(network, images, labels, **({"epsilon": 0.1} | parameters))
