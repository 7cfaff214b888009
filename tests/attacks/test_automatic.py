import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foolflow.attacks.automatic import automatic
from foolflow.attacks.deepfool import deepfool
from foolflow.attacks.dichotomy import dichotomy
from foolflow.errors import InvalidInput
from tests.attacks.boundaries import Masked, norms, two_classes
from tests.conftest import Affine, random_affine


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_finds_the_distance_to_a_linear_boundary(seed):
    model, images, labels, distances = two_classes(seed)
    made = automatic(model, images, labels)
    assert made.success.all()
    assert (made.details["norms"] <= 1.003 * distances["l2"] + 1e-4).all()
    assert (made.details["norms"] >= distances["l2"] - 1e-5).all()


def test_every_correct_image_is_fooled_at_about_the_distance_of_dichotomy(trained):
    images, labels = trained.images[:60], trained.labels[:60]
    wrong = trained.model(images).argmax(1) != labels
    made = automatic(trained.model, images, labels)
    assert made.success.all()
    assert torch.equal(made.images[wrong], images[wrong])
    assert (made.gradient_evaluations[wrong] == 0).all()
    assert (made.gradient_evaluations[~wrong] == 100).all()
    assert torch.allclose(made.details["norms"], norms(made.images, images, "l2"))
    best = dichotomy(trained.model, images, labels).details["norms"]
    assert made.details["norms"].median() <= 1.1 * best.median()
    assert made.details["norms"].mean() < norms(deepfool(trained.model, images, labels).images, images, "l2").mean()
    assert made.images.min() >= 0
    assert made.images.max() <= 1


@pytest.mark.parametrize("parameters", [{}, {"variant": "published", "steps": 100}])
def test_an_image_does_not_depend_on_its_batch_or_the_order(trained, parameters):
    images, labels = trained.images[:20], trained.labels[:20]
    together = automatic(trained.model, images, labels, **parameters)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    shuffled = automatic(trained.model, images[order], labels[order], **parameters)
    assert torch.equal(shuffled.success, together.success[order])
    alone = [automatic(trained.model, images[i : i + 1], labels[i : i + 1], **parameters) for i in range(10)]
    found = torch.cat([shuffled.details["norms"], *(made.details["norms"] for made in alone)])
    expected = torch.cat([together.details["norms"][order], together.details["norms"][:10]])
    near = (found - expected).abs() <= 1e-2 * expected
    assert near.float().mean() >= 0.9  # rounding can lead a search to another minimum


def test_the_published_variant_fools_most_images_and_is_no_shorter(trained):
    images, labels = trained.images[:30], trained.labels[:30]
    wrong = trained.model(images).argmax(1) != labels
    made = automatic(trained.model, images, labels, variant="published", steps=400)
    assert made.success.float().mean() > 0.9
    improved = automatic(trained.model, images, labels)
    both = made.success & ~wrong
    assert made.details["norms"][both].median() > 0.98 * improved.details["norms"][both].median()


def test_the_published_loss_stays_on_confidence_above_the_thresholds(trained):
    """With thresholds below every confidence, the loss never shortens the perturbation."""
    images, labels = trained.images[:20], trained.labels[:20]
    wrong = trained.model(images).argmax(1) != labels
    drawn, free = (
        automatic(trained.model, images, labels, variant="published", steps=300, thresholds=thresholds)
        for thresholds in ((0.2, 0.1), (1e-30, 1e-30))
    )
    assert (drawn.details["norms"][~wrong] < free.details["norms"][~wrong]).float().mean() > 0.5


@pytest.mark.parametrize("variant", ["improved", "published"])
def test_targets_are_reached(trained, variant):
    images, labels = trained.images[:20], trained.labels[:20]
    targets = (labels + 1) % 10
    made = automatic(trained.model, images, labels, targets=targets, variant=variant, steps=200)
    assert torch.equal(made.success, made.predictions == targets)
    assert made.success.float().mean() > 0.9


def test_an_image_without_gradients_is_fooled_too():
    made = automatic(Masked(), torch.full((2, 1, 4, 4), 0.5), torch.zeros(2, dtype=torch.int64))
    assert made.success.all()


@pytest.mark.parametrize("variant", ["improved", "published"])
def test_unfooled_images_are_returned_unchanged(variant):
    model = Affine(torch.zeros(3, 16), torch.tensor([1.0, 0.0, 0.0]))
    images = torch.full((2, 1, 4, 4), 0.5)
    made = automatic(model, images, torch.zeros(2, dtype=torch.int64), variant=variant, steps=5)
    assert torch.equal(made.images, images)
    assert not made.success.any()


@pytest.mark.parametrize(
    "change",
    [
        {"variant": "best"},
        {"steps": 0},
        {"learning_rate": 0.0},
        {"precision": 1.0},
        {"thresholds": (0.1, 0.2)},
        {"thresholds": (0.2, 0.0)},
    ],
)
def test_parameters_out_of_range_are_rejected(change):
    with pytest.raises(InvalidInput, match=next(iter(change))):
        automatic(random_affine(0), torch.full((1, 1, 4, 4), 0.5), torch.tensor([0]), **change)
