import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from foolflow.attacks.counting import passes_counted
from foolflow.attacks.square import square
from foolflow.errors import InvalidInput
from tests.conftest import random_affine

NORMS = {"linf": torch.inf, "l2": 2}


class Rounded(nn.Module):
    """A victim whose logits are rounded, and whose gradient is therefore zero."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images).round()


@pytest.mark.parametrize("norm", NORMS)
@given(seed=st.integers(0, 10**6), size=st.floats(0.01, 0.5), height=st.integers(3, 9), width=st.integers(3, 9))
@settings(max_examples=20)
def test_images_stay_in_the_ball_and_in_range(norm, seed, size, height, width):
    epsilon = size if norm == "linf" else 5 * size
    model = random_affine(seed, 4, (2, height, width))
    images = torch.rand(3, 2, height, width, generator=torch.Generator().manual_seed(seed))
    labels = model(images).argmax(1)
    made = square(model, images, labels, epsilon=epsilon, norm=norm, queries=30, seed=seed)
    assert (made.images - images).flatten(1).norm(dim=1, p=NORMS[norm]).max() <= epsilon * (1 + 1e-5) + 1e-6
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    assert torch.equal(made.success, model(made.images).argmax(1) != labels)


def test_the_margin_approaches_that_of_the_best_corner():
    """A linear model that cannot be fooled: the best point of the ball is known."""
    model = random_affine(5, 2, (1, 6, 6))
    model.bias.data[0] += 1000
    images = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(5))
    made = square(model, images, torch.zeros(4, dtype=torch.int64), epsilon=0.2, queries=1500)
    slope = (model.weight.data[1] - model.weight.data[0]).view(1, 1, 6, 6)
    corner = (images + 0.2 * slope.sign()).clamp(0, 1)
    gain, most = (((one - images) * slope).flatten(1).sum(1) for one in (made.images, corner))
    assert (gain >= 0.95 * most).all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_budget_is_respected_and_fooled_images_leave(trained, norm):
    images, labels = trained.images[:20], trained.labels[:20]
    made = square(trained.model, images, labels, epsilon={"linf": 0.3, "l2": 6.0}[norm], norm=norm, queries=40)
    assert made.success.any()
    assert not made.success.all()
    assert (made.iterations[~made.success] == 41).all()  # the start and the queries
    assert (made.gradient_evaluations == 0).all()
    assert made.iterations[made.success].float().mean() < 41


def test_unchanged_images_cost_no_forward_pass():
    model, counts = random_affine(5, 2, (1, 6, 6)), []
    model.bias.data[0] += 1000
    images, labels = torch.rand(4, 1, 6, 6), torch.zeros(4, dtype=torch.int64)
    with passes_counted(model, counts.append):
        square(model, images, labels, epsilon=0.2, queries=500)
    assert counts[-1] < 0.8 * 4 * 500


@pytest.mark.parametrize("norm", NORMS)
def test_it_needs_no_gradient_and_gets_through_rounded_logits(trained, norm):
    images, labels = trained.images[:20], trained.labels[:20]
    epsilon = {"linf": 0.4, "l2": 7.0}[norm]
    made = square(Rounded(trained.model), images, labels, epsilon=epsilon, norm=norm, queries=300)
    assert made.success.sum() >= 10


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_as_strong_as_pyautoattack(trained, norm):
    peer = pytest.importorskip("pyautoattack.square")
    images, labels = trained.images[:100], trained.labels[:100]
    epsilon, name = {"linf": (0.2, "Linf"), "l2": (5.0, "L2")}[norm]
    made = square(trained.model, images, labels, epsilon=epsilon, norm=norm, queries=300)
    theirs = peer.SquareAttack(trained.model, norm=name, eps=epsilon, n_queries=300, device="cpu")
    fooled = int((trained.model(theirs.perturb(images, labels)).argmax(1) != labels).sum())
    assert fooled >= 5
    assert made.success.sum() >= 0.75 * fooled - 2  # other random windows


def test_targets_and_seeds(trained):
    images, labels = trained.images[:20], trained.labels[:20]
    targets = (labels + 1) % 10
    made, again, other = (
        square(trained.model, images, labels, targets=targets, epsilon=0.5, queries=200, seed=seed)
        for seed in (0, 0, 1)
    )
    assert made.success.any()
    assert torch.equal(made.success, trained.model(made.images).argmax(1) == targets)
    assert torch.equal(made.images, again.images)
    assert not torch.equal(made.images, other.images)


@pytest.mark.parametrize("parameters", [{"norm": "l1"}, {"queries": 0}, {"area": 0.0}, {"area": 1.5}])
def test_parameters_out_of_range_are_rejected(trained, parameters):
    with pytest.raises(InvalidInput):
        square(trained.model, trained.images[:2], trained.labels[:2], epsilon=0.1, **parameters)
