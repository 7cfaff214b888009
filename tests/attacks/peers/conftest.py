import importlib

import pytest

from foolflow.attacks.loading import load_attack
from foolflow.attacks.peers.sources import installed


@pytest.fixture
def needs():
    """Return a function that skips the test if the library is not installed."""

    def skip(library):
        peer = importlib.import_module(f"foolflow.attacks.peers.{library}")
        if installed(peer.DISTRIBUTION) is None:
            pytest.skip(f"{peer.DISTRIBUTION} is not installed; {peer.INSTALL}")

    return skip


@pytest.fixture
def attacked(trained, needs):
    """Return a function that runs a method on `count` images. It returns the clean images and the result."""

    def run(method, *, targets=None, count=12, **parameters):
        needs(method.partition(":")[0])
        images, labels = trained.images[:count], trained.labels[:count]
        attack = load_attack({"method": method, "parameters": parameters}, None)
        given = {} if targets is None else {"targets": targets}
        return images, attack(trained.model, images, labels, **given)

    return run


@pytest.fixture
def problems_of(needs):
    """Return a function that lists the problems of a config entry."""

    def lines(method, parameters=None, *, targeted=False):
        library, _, name = method.partition(":")
        needs(library)
        return list(
            importlib.import_module(f"foolflow.attacks.peers.{library}").problems(name, parameters or {}, targeted)
        )

    return lines


@pytest.fixture
def other_classes(trained):
    return (trained.labels + 1) % 10


def l2(images, made):
    return (made.images - images).flatten(1).norm(dim=1)
