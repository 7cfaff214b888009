import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foolflow.attacks.fab import fab
from foolflow.attacks.hyperplane import to_hyperplane
from foolflow.errors import InvalidInput
from tests.conftest import random_affine

NORMS = {"linf": torch.inf, "l2": 2}


def grey(seed, count=6):
    return 0.4 + 0.2 * torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", NORMS)
@given(seed=st.integers(0, 10**6), size=st.floats(0.01, 1))
@settings(max_examples=40)
def test_the_projection_reaches_the_hyperplane_by_the_shortest_way_within_the_box(norm, seed, size):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(1, 12, generator=generator).round(decimals=1)
    slopes = torch.randn(1, 12, generator=generator)
    slopes = slopes / slopes.abs().amax()
    gap = torch.tensor([size])
    step = to_hyperplane(points, slopes, gap, norm)
    assert ((points + step >= -1e-6) & (points + step <= 1 + 1e-6)).all()
    reachable = torch.where(slopes > 0, slopes * (1 - points), -slopes * points).sum()
    assert (slopes * step).sum().item() == pytest.approx(min(size, reachable.item()), rel=0.02, abs=1e-4)
    length = step.norm(p=NORMS[norm])
    # No other perturbation of the same gain is shorter.
    for _ in range(50):
        other = step + 0.1 * torch.randn(1, 12, generator=generator)
        other = (points + other).clamp(0, 1) - points
        gain = (slopes * other).sum()
        assert gain < size * 0.97 or other.norm(p=NORMS[norm]) >= 0.97 * length


@pytest.mark.parametrize("norm", NORMS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_it_finds_the_distance_to_the_nearest_hyperplane(norm, seed):
    model, images = random_affine(seed), grey(seed)
    with torch.no_grad():
        logits = model(images)
    labels = logits.argmax(1)
    slopes = model.weight.data[None] - model.weight.data[labels][:, None]
    duals = slopes.abs().sum(2) if norm == "linf" else slopes.norm(dim=2)
    distances = (logits.gather(1, labels[:, None]) - logits) / duals
    nearest = distances.scatter(1, labels[:, None], torch.inf).amin(1)
    made = fab(model, images, labels, norm=norm)
    found = (made.images - images).flatten(1).norm(dim=1, p=NORMS[norm])
    inside = nearest < 0.35  # so that the box is out of the way
    assert made.success[inside].all()
    assert torch.allclose(found[inside], nearest[inside], rtol=0.03, atol=1e-4)  # the overshoot stays


@pytest.mark.parametrize("norm", NORMS)
def test_with_an_epsilon_images_are_fooled_within_it_or_unchanged(trained, norm):
    images, labels = trained.images[:16], trained.labels[:16]
    epsilon = {"linf": 0.1, "l2": 1.5}[norm]
    made = fab(trained.model, images, labels, epsilon=epsilon, norm=norm, steps=20)
    found = (made.images - images).flatten(1).norm(dim=1, p=NORMS[norm])
    right = trained.model(images).argmax(1) == labels
    assert (made.success & right).sum() >= 2
    assert found.max() <= epsilon + 1e-6
    assert (found[~made.success] == 0).all()
    minimal = fab(trained.model, images, labels, norm=norm, steps=20)
    assert (minimal.success | ~made.success).all()


@pytest.mark.parametrize("norm", NORMS)
def test_perturbations_are_as_short_as_those_of_pyautoattack(trained, norm):
    peer = pytest.importorskip("pyautoattack.fab_pt")
    images, labels = trained.images[:30], trained.labels[:30]
    made = fab(trained.model, images, labels, norm=norm, steps=60, target_classes=4)
    theirs = peer.FABAttack_PT(
        trained.model,
        norm={"linf": "Linf", "l2": "L2"}[norm],
        n_iter=60,
        eps=100.0,
        targeted=True,
        n_target_classes=1,
        device="cpu",
    ).perturb(images, labels)
    right = (trained.model(images).argmax(1) == labels) & (trained.model(theirs).argmax(1) != labels)
    ours, others = (
        (one - images)[right].flatten(1).norm(dim=1, p=NORMS[norm]).median() for one in (made.images, theirs)
    )
    assert right.sum() >= 20
    assert ours <= 1.05 * others


@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes(classes):
    model, images = random_affine(1, classes), grey(1)
    assert fab(model, images, model(images).argmax(1), steps=10).success.all()


def test_targets(trained):
    images, labels = trained.images[:20], trained.labels[:20]
    targets = (labels + 1) % 10
    made = fab(trained.model, images, labels, targets=targets, norm="l2", steps=40)
    assert made.success.sum() >= 15
    assert torch.equal(made.success, trained.model(made.images).argmax(1) == targets)


def test_one_gradient_per_step_and_class(trained):
    made = fab(trained.model, trained.images[:3], trained.labels[:3], epsilon=1e-6, steps=10, target_classes=1)
    assert set(made.gradient_evaluations.tolist()) <= {0, 10}


@pytest.mark.parametrize("parameters", [{"norm": "l1"}, {"steps": 0}, {"target_classes": 0}, {"epsilon": -1.0}])
def test_parameters_out_of_range_are_rejected(trained, parameters):
    with pytest.raises(InvalidInput):
        fab(trained.model, trained.images[:2], trained.labels[:2], **parameters)
