import pytest
import torch
from torch import nn

import foolflow.attacks.autoattack
from foolflow.attacks.peers.running import load_peer
from foolflow.errors import InvalidInput

autoattack = foolflow.attacks.autoattack


def few_classes(classes):
    """A network that some images resist, so that they reach every part of the ensemble."""
    torch.manual_seed(0)
    images = torch.rand(12, 3, 6, 4)
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Tanh(), nn.Linear(8, classes))
    return network, images, network(images).argmax(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_few_classes(classes, norm):
    pytest.importorskip("pyautoattack")
    network, images, labels = few_classes(classes)
    epsilon = {"linf": 0.01, "l2": 0.08}[norm]
    made = autoattack(network, images, labels, epsilon=epsilon, norm=norm)
    assert (made.details["stage"] == -1).any()  # the package ran
    sizes = (made.images - images).flatten(1).norm(p=torch.inf if norm == "linf" else 2, dim=1)
    assert sizes.max() <= epsilon + 1e-5
    again = autoattack(network, images, labels, epsilon=epsilon, norm=norm)
    assert torch.equal(made.images, again.images)


@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_package_itself_runs_with_few_classes(classes, version):
    pytest.importorskip("pyautoattack")
    network, images, labels = few_classes(classes)
    attack = load_peer(f"autoattack:{version}", {"epsilon": 0.01})
    made = attack(network, images[:4], labels[:4])
    assert (made.images - images[:4]).abs().max() <= 0.01 + 1e-5


def test_easy_images_do_not_need_the_package(trained):
    images, labels = trained.images[:10], trained.labels[:10]
    made = autoattack(trained.model, images, labels, epsilon=0.5)
    assert made.success.all()
    assert set(made.details["stage"].tolist()) <= {0, 1, 2}


def test_a_missing_package_gives_one_line(trained, monkeypatch):
    import sys

    monkeypatch.setattr(sys.modules["foolflow.attacks.autoattack"], "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"^attack autoattack needs pyautoattack; run `pip install pyautoattack`$"):
        autoattack(trained.model, trained.images[:2], trained.labels[:2], epsilon=0.001)


class Opaque(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images.detach())


def test_without_a_gradient_the_random_search_runs_alone():
    pytest.importorskip("pyautoattack")
    network, images, labels = few_classes(4)
    made = autoattack(Opaque(network), images, labels, epsilon=0.3)
    assert made.success.any()
    assert (made.gradient_evaluations == 0).all()
    assert set(made.details["stage"].tolist()) <= {-1, 3}


def test_it_is_as_strong_as_the_package_alone():
    pytest.importorskip("pyautoattack")
    network, images, labels = few_classes(4)
    made = autoattack(network, images, labels, epsilon=0.02)
    theirs = load_peer("autoattack:standard", {"epsilon": 0.02})(network, images, labels)
    assert made.success.sum() >= theirs.success.sum() > 0
