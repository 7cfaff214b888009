import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from foolflow.attacks.apgd import LOSSES, SHARES, apgd
from foolflow.attacks.standing import rounds
from foolflow.errors import InvalidInput
from tests.conftest import random_affine


def grey(seed, count=8):
    generator = torch.Generator().manual_seed(seed)
    return 0.4 + 0.2 * torch.rand(count, 1, 4, 4, generator=generator)


def lengths(made, images, norm):
    return (made.images - images).flatten(1).norm(dim=1, p=torch.inf if norm == "linf" else 2)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("norm", ["linf", "l2"])
@given(seed=st.integers(0, 10**6), epsilon=st.floats(0.01, 0.35))
@settings(max_examples=15)
def test_a_linear_model_is_fooled_exactly_within_its_margin(norm, loss, seed, epsilon):
    model = random_affine(seed, classes=2)
    images = grey(seed)
    model.bias.data -= model(images).mean(0).detach()  # put the boundary among the images
    with torch.no_grad():
        logits = model(images)
    labels = logits.argmax(1)
    slope = model.weight.data[0] - model.weight.data[1]
    margin = (logits[:, 0] - logits[:, 1]).abs() / (slope.abs().sum() if norm == "linf" else slope.norm())
    made = apgd(model, images, labels, epsilon=epsilon, norm=norm, loss=loss, steps=40)
    unsure = (margin - epsilon).abs() < 1e-3 + 1e-2 * epsilon
    assert torch.equal(made.success[~unsure], (margin < epsilon)[~unsure])
    assert (lengths(made, images, norm) <= epsilon + 1e-5).all()


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_it_reaches_the_highest_margin_of_the_ball(seed):
    """For a linear model that no image of the ball fools, the best point is a corner of the ball."""
    model = random_affine(seed, classes=2)
    model.bias.data[0] += 1000
    images = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    made = apgd(model, images, torch.zeros(6, dtype=torch.int64), epsilon=0.2, steps=20)
    slope = (model.weight.data[1] - model.weight.data[0]).view(1, 1, 4, 4)
    corner = (images + 0.2 * slope.sign()).clamp(0, 1)
    assert not made.success.any()
    assert torch.allclose(made.images, corner, atol=1e-6)


@pytest.mark.parametrize("aims", [None, torch.tensor([1, 2, 3])])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_have_the_direction_of_their_definition(loss, aims):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 6, generator=generator, dtype=torch.float64).requires_grad_()
    labels = torch.tensor([4, 5, 0])
    ordered = logits.sort(dim=1, descending=True).values
    rows = torch.arange(3)
    if loss == "cross_entropy":
        goal = labels if aims is None else aims
        plain = cross_entropy(logits, goal, reduction="none") * (1 if aims is None else -1)
    else:
        own = logits[rows, labels]
        best = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
        plain = (best if aims is None else logits[rows, aims]) - own
        if loss == "dlr":
            plain = plain / (ordered[:, 0] - (ordered[:, 2] if aims is None else ordered[:, 2:4].mean(1)))
    (expected,) = torch.autograd.grad(plain.sum(), logits, retain_graph=True)
    (found,) = torch.autograd.grad(LOSSES[loss](logits, labels, None, aims)[1].sum(), logits)
    assert torch.allclose(found / found.norm(dim=1, keepdim=True), expected / expected.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("unit", [1e-30, 1e4, 1e30])
def test_gradients_survive_any_unit_of_the_logits(loss, unit):
    model = random_affine(1)
    images = grey(1, 12)
    labels = model(images).argmax(1)
    plain = apgd(model, images, labels, epsilon=0.2, loss=loss)
    scaled = nn.Sequential(model, Times(unit))
    assert plain.success.sum() >= 8
    assert apgd(scaled, images, labels, epsilon=0.2, loss=loss).success.sum() >= plain.success.sum() - 1


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, values):
        return values * self.factor


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target_classes", [0, 9])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_few_classes(classes, target_classes, loss):
    model, images = random_affine(2, classes), grey(2, 16)
    labels = model(images).argmax(1)
    made = apgd(model, images, labels, epsilon=0.3, loss=loss, target_classes=target_classes, steps=20)
    assert made.success.all()


def test_aiming_and_restarts_fool_no_fewer_images_and_fooled_ones_leave(trained):
    images, labels = trained.images[:60], trained.labels[:60]
    once = apgd(trained.model, images, labels, epsilon=0.08, steps=30)
    again = apgd(trained.model, images, labels, epsilon=0.08, steps=30, restarts=2)
    aimed = apgd(trained.model, images, labels, epsilon=0.08, steps=30, loss="dlr", target_classes=9)
    assert 5 <= once.success.sum() < 60
    assert (again.success | ~once.success).all()
    assert aimed.success.sum() >= once.success.sum() - 2
    assert (once.gradient_evaluations[~once.success] == 30).all()
    assert (again.gradient_evaluations[~again.success] == 60).all()
    assert (
        aimed.gradient_evaluations[~aimed.success] == sum(count * steps for count, steps in rounds(9, 30, SHARES))
    ).all()
    assert once.gradient_evaluations[once.success].float().mean() < 15


def test_targets(trained):
    images, labels = trained.images[:40], trained.labels[:40]
    targets = (labels + 1) % 10
    made = apgd(trained.model, images, labels, targets=targets, epsilon=0.3, loss="dlr")
    assert made.success.sum() >= 30
    assert torch.equal(made.success, trained.model(made.images).argmax(1) == targets)


def test_several_epsilons_are_stacked(trained):
    images, labels = trained.images[:6], trained.labels[:6]
    made = apgd(trained.model, images, labels, epsilon=[0.05, 0.2], steps=5)
    assert torch.equal(made.images[1], apgd(trained.model, images, labels, epsilon=0.2, steps=5).images)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_is_as_strong_as_pyautoattack(trained, norm):
    peer = pytest.importorskip("pyautoattack.autopgd_base")
    images, labels = trained.images[:60], trained.labels[:60]
    epsilon = {"linf": 0.08, "l2": 1.2}[norm]
    made = apgd(trained.model, images, labels, epsilon=epsilon, norm=norm)
    name = {"linf": "Linf", "l2": "L2"}[norm]
    theirs = peer.APGDAttack(trained.model, norm=name, eps=epsilon, device="cpu").perturb(images, labels)
    fooled = int((trained.model(theirs).argmax(1) != labels).sum())
    assert 5 <= fooled <= 55
    assert made.success.sum() >= fooled - 3  # another random start


@pytest.mark.parametrize("classes", range(1, 12))
@pytest.mark.parametrize("steps", [1, 5, 100])
def test_the_most_promising_class_gets_all_steps(classes, steps):
    found = rounds(classes, steps, SHARES)
    assert sum(count for _, count in found) == steps
    assert all(1 <= count <= classes for count, _ in found)


@pytest.mark.parametrize(
    "parameters", [{"norm": "l1"}, {"loss": "hinge"}, {"steps": 0}, {"restarts": 0}, {"target_classes": -1}]
)
def test_parameters_out_of_range_are_rejected(trained, parameters):
    with pytest.raises(InvalidInput):
        apgd(trained.model, trained.images[:2], trained.labels[:2], epsilon=0.1, **parameters)
