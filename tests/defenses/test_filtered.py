import pytest
import torch
from torch import nn

from foolflow.attacks.fgsm import fgsm
from foolflow.attacks.pgd import pgd
from foolflow.defenses.filtered import Filtered, has_gradient, through_filter
from foolflow.defenses.kinds import has_filter
from foolflow.defenses.loading import load_filter, load_hardening
from foolflow.errors import InvalidInput
from tests.conftest import random_affine


def rounded(images):
    return (images * 3).round() / 3


def through_numpy(images):
    return torch.from_numpy(rounded(images).numpy())


def smooth(images):
    return images**2


def gradient(victim, images):
    inputs = images.clone().requires_grad_()
    return torch.autograd.grad(victim(inputs).sum(), inputs)[0]


@pytest.fixture
def images():
    return torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def victim(images_filter):
    return Filtered(random_affine(0), images_filter, at=["test"]).eval()


@pytest.mark.parametrize(("images_filter", "expected"), [(smooth, True), (rounded, False), (through_numpy, False)])
def test_has_gradient_detects_whether_a_filter_is_differentiable(images, images_filter, expected):
    assert has_gradient(images_filter, images) is expected


def test_a_filter_without_a_gradient_gives_a_gradient_of_0(images):
    for images_filter in (rounded, through_numpy):
        assert (gradient(victim(images_filter), images) == 0).all()


@pytest.mark.parametrize("images_filter", [smooth, rounded, through_numpy])
def test_straight_through_keeps_the_filtered_output_and_the_network_gradient(images, images_filter):
    defended = victim(images_filter)
    logits = defended(images)
    with through_filter(defended, "straight_through", images):
        assert torch.equal(defended(images.clone().requires_grad_()), logits)
        assert torch.equal(gradient(defended, images), gradient(defended.network, images_filter(images)))
    assert torch.equal(defended(images), logits)
    assert not defended.straight_through


def test_auto_is_straight_through_only_for_filters_without_a_gradient(images):
    for images_filter, straight_through in ((smooth, False), (rounded, True), (through_numpy, True)):
        defended = victim(images_filter)
        with through_filter(defended, "auto", images):
            assert defended.straight_through is straight_through


def test_a_victim_without_a_filter_is_not_affected(images):
    network = random_affine(0)
    with through_filter(network, "straight_through", images):
        assert torch.equal(gradient(network, images), gradient(random_affine(0), images))


def test_an_unknown_gradient_is_rejected(images):
    with (
        pytest.raises(InvalidInput, match="not own, straight_through or auto"),
        through_filter(nn.Identity(), "x", images),
    ):
        pass


def test_an_attack_through_a_rounding_filter_beats_one_without_a_gradient(trained):
    defended = Filtered(trained.model, rounded, at=["test"]).eval()
    images, labels = trained.images[:100], trained.labels[:100]
    right = defended(images).argmax(1) == labels
    blind = pgd(defended, images, labels, epsilon=0.2, steps=10)
    with through_filter(defended, "auto", images):
        adaptive = pgd(defended, images, labels, epsilon=0.2, steps=10)
    static = defended(fgsm(trained.model, images, labels, epsilon=0.2).images).argmax(1) != labels
    assert adaptive.success[right].float().mean() > static[right].float().mean() > blind.success[right].float().mean()


@pytest.mark.parametrize(
    ("defense", "words"),
    [
        ({}, r"defense \{\} is no filter"),
        ({"method": 3}, "is no filter"),
        ({"method": "adversarial_training", "parameters": {"epsilon": 0.1}}, "is no filter"),
        ({"method": "nope"}, "'nope': foolflow/defenses has no such method"),
        ({"method": "windows"}, "'windows': foolflow/defenses has no such method"),
        ({"method": "median_filter", "parameters": {"bits": 3}}, "defense median_filter: missing a required .*'size'"),
        ({"method": "median_filter", "parameters": {"size": 3, "bits": 3}}, "unexpected keyword argument 'bits'"),
        ({"python": "nowhere.py:blur"}, "does not exist"),
    ],
)
def test_what_is_no_filter_is_rejected(defense, words):
    with pytest.raises(InvalidInput, match=words):
        load_filter(defense)


def test_adversarial_training_has_no_filter():
    defense = {"method": "adversarial_training", "at": ["train"], "parameters": {"epsilon": 0.1, "share": 0.5}}
    assert not has_filter(defense)
    assert load_hardening(defense) is not None
    assert load_hardening({"method": "median_filter", "at": ["test"], "parameters": {"size": 3}}) is None
    assert load_hardening({}) is None
