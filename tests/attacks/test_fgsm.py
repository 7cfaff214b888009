import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from foolflow.attacks.fgsm import fgsm
from foolflow.errors import InvalidInput
from tests.conftest import random_affine


def batch(seed: int, count: int = 6, low: float = 0.0, high: float = 1.0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 1, 4, 4, generator=generator) * (high - low) + low
    return images, torch.randint(0, 5, (count,), generator=generator)


@given(seed=st.integers(0, 10**6), epsilon=st.floats(0, 0.5))
@settings(max_examples=40)
def test_closed_form_on_a_linear_model(seed, epsilon):
    """For logits W x + b, the gradient of the cross-entropy is W^T (softmax - onehot)."""
    model = random_affine(seed)
    images, labels = batch(seed)
    with torch.no_grad():
        residual = model(images).softmax(1) - torch.nn.functional.one_hot(labels, 5)
        gradient = (residual @ model.weight).view_as(images)
    made = fgsm(model, images, labels, epsilon=epsilon)
    expected = (images + epsilon * gradient.sign()).clamp(0, 1)
    unsure = gradient.abs() < 1e-6  # the sign of rounding noise is not determined
    assert torch.allclose(made.images[~unsure], expected[~unsure], atol=1e-6)


@given(seed=st.integers(0, 10**6), epsilon=st.floats(0, 1))
@settings(max_examples=40)
def test_stays_in_the_box_and_in_the_ball(seed, epsilon):
    images, labels = batch(seed)
    made = fgsm(random_affine(seed), images, labels, epsilon=epsilon)
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    assert (made.images - images).abs().max() <= epsilon + 1e-6


@given(seed=st.integers(0, 10**6), epsilon=st.floats(0, 2))
@settings(max_examples=40)
def test_an_l2_step_follows_the_gradient(seed, epsilon):
    model = random_affine(seed)
    images, labels = batch(seed, low=0.49, high=0.51)
    with torch.no_grad():
        probabilities = model(images).double().softmax(1)
        residual = probabilities - torch.nn.functional.one_hot(labels, 5)
        gradient = (residual @ model.weight.double()).float()
        unsure = probabilities.gather(1, labels[:, None])[:, 0] < 0.99  # else hardly a bit of 1 - p is left in float32
    made = fgsm(model, images, labels, epsilon=epsilon, norm="l2")
    step = epsilon * gradient / gradient.norm(dim=1, keepdim=True)
    expected = (images + step.view_as(images)).clamp(0, 1)
    assert torch.allclose(made.images[unsure], expected[unsure], atol=1e-5)


def test_an_unknown_norm_is_rejected():
    with pytest.raises(InvalidInput, match="is not linf or l2"):
        fgsm(random_affine(0), *batch(0), epsilon=0.1, norm="l1")


def test_a_step_raises_the_loss_and_a_targeted_step_lowers_the_loss_of_the_target():
    model = random_affine(1)
    images, labels = batch(1, low=0.3, high=0.7)
    targets = (labels + 1) % 5
    away = fgsm(model, images, labels, epsilon=0.05).images
    towards = fgsm(model, images, labels, targets=targets, epsilon=0.05).images
    assert (loss(model, away, labels) > loss(model, images, labels)).all()
    assert (loss(model, towards, targets) < loss(model, images, targets)).all()


def loss(model, images, labels):
    return cross_entropy(model(images), labels, reduction="none")


def test_several_epsilons_equal_separate_runs():
    model = random_affine(2)
    images, labels = batch(2)
    swept = fgsm(model, images, labels, epsilon=[0.05, 0.2])
    for rank, epsilon in enumerate([0.05, 0.2]):
        one = fgsm(model, images, labels, epsilon=epsilon)
        assert torch.equal(swept.images[rank], one.images)
        assert torch.equal(swept.success[rank], one.success)


def test_epsilons_may_be_an_array(trained):
    made = fgsm(trained.model, trained.images[:4], trained.labels[:4], epsilon=np.linspace(0.1, 0.3, 3))
    assert made.images.shape == (3, 4, 1, 28, 28)


def test_it_works_when_gradients_are_disabled(trained):
    with torch.no_grad():
        made = fgsm(trained.model, trained.images[:4], trained.labels[:4], epsilon=0.1)
    assert (made.images != trained.images[:4]).any()


def test_an_image_does_not_depend_on_its_batch(trained):
    together = fgsm(trained.model, trained.images[:8], trained.labels[:8], epsilon=0.1)
    for index in range(8):
        alone = fgsm(trained.model, trained.images[index : index + 1], trained.labels[index : index + 1], epsilon=0.1)
        assert (alone.images[0] - together.images[index]).abs().max() < 1e-6


def test_success_is_measured_on_the_model(trained):
    made = fgsm(trained.model, trained.images, trained.labels, epsilon=0.1)
    predictions = trained.model(made.images).argmax(1)
    assert torch.equal(made.predictions, predictions)
    assert torch.equal(made.success, predictions != trained.labels)
    assert 0.05 < made.success.float().mean() < 0.95


def test_equals_foolbox(trained):
    foolbox = pytest.importorskip("foolbox")
    theirs = foolbox.attacks.FGSM()
    model = foolbox.PyTorchModel(trained.model, bounds=(0, 1), device="cpu")
    for epsilon in (0.05, 0.1, 0.25):
        ours = fgsm(trained.model, trained.images, trained.labels, epsilon=epsilon)
        _, images, success = theirs(model, trained.images, trained.labels, epsilons=epsilon)
        assert torch.equal(ours.images, images)
        assert torch.equal(ours.success, success)


@pytest.mark.parametrize(
    ("epsilon", "words"),
    [(-0.1, "negative"), ([], "empty"), (float("nan"), "not a number"), ([0.1, float("inf")], "not finite")],
)
def test_a_bad_epsilon_is_rejected(epsilon, words):
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        fgsm(random_affine(3), *batch(3), epsilon=epsilon)
    assert words in str(caught.value)
