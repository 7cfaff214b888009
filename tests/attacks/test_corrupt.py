"""Random noise of a given size, a control that uses no gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest
from torch import nn

from foolflow.attacks.corrupt import _mixed, _random_numbers, corrupt
from foolflow.errors import InvalidInput
from tests.conftest import random_affine


def batch(seed, count=6):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, 4, 4, generator=generator), torch.randint(0, 5, (count,), generator=generator)


def test_the_mixing_function_is_that_of_splitmix64():
    """The first outputs of the reference implementation (java.util.SplittableRandom) for the seed 0."""
    golden = 0x9E3779B97F4A7C15
    states = [(count * golden) % 2**64 for count in (1, 2, 3)]
    signed = torch.tensor([state - 2**64 if state >= 2**63 else state for state in states])
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [number % 2**64 for number in _mixed(signed).tolist()] == expected


def test_the_numbers_are_uniform_and_differ_between_images_seeds_and_pixels():
    images = torch.rand(200, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    numbers = _random_numbers(images, 0)
    assert kstest(numbers.flatten(), "uniform").pvalue > 0.001
    assert numbers.flatten().unique().numel() == numbers.numel()
    assert (numbers != _random_numbers(images, 1)).all()
    correlations = torch.corrcoef(numbers.flatten(1)[:20]).fill_diagonal_(0)
    assert correlations.abs().max() < 0.2


@given(seed=st.integers(0, 10**6), epsilon=st.floats(0, 0.3), norm=st.sampled_from(["linf", "l2"]))
@settings(max_examples=40)
def test_away_from_the_box_the_noise_has_exactly_the_given_size(seed, epsilon, norm):
    images, labels = batch(seed)
    images = 0.4 + 0.2 * images
    made = corrupt(random_affine(seed), images, labels, epsilon=epsilon, norm=norm)
    change = (made.images - images).flatten(1)
    if norm == "linf":
        assert torch.allclose(change.abs(), torch.full_like(change, epsilon), atol=1e-6)
    else:
        assert torch.allclose(change.norm(dim=1), torch.full((len(images),), epsilon), atol=1e-5)


def test_signs_are_fair_and_directions_have_no_preference():
    images, labels = torch.full((400, 1, 4, 4), 0.5), torch.zeros(400, dtype=torch.int64)
    images += torch.arange(400).view(-1, 1, 1, 1) * 1e-4
    signs = corrupt(random_affine(0), images, labels, epsilon=0.1).images > images
    assert binomtest(int(signs.sum()), signs.numel()).pvalue > 0.001
    steps = corrupt(random_affine(0), images, labels, epsilon=0.1, norm="l2").images - images
    assert steps.flatten(1).mean(0).abs().max() < 0.01  # 0.1 / 4 pixels in each, of either sign


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_the_result_of_an_image_does_not_depend_on_its_batch(seed):
    model = random_affine(seed)
    images, labels = batch(seed)
    together = corrupt(model, images, labels, epsilon=0.1).images
    alone = torch.cat(
        [corrupt(model, images[row : row + 1], labels[row : row + 1], epsilon=0.1).images for row in range(6)]
    )
    assert torch.equal(together, alone)


def test_a_model_without_a_gradient_is_enough():
    class Opaque(nn.Module):
        def forward(self, images):
            assert not torch.is_grad_enabled()
            return torch.stack([images.mean((1, 2, 3)), 1 - images.mean((1, 2, 3))], 1)

    images, labels = batch(0)
    made = corrupt(Opaque(), images, labels.clamp(max=1), epsilon=0.1)
    assert (made.gradient_evaluations == 0).all()
    assert not made.images.requires_grad


@pytest.mark.parametrize("wrong", [{"kind": "rain"}, {"norm": "l1"}, {"epsilon": -1}, {"epsilon": float("nan")}])
def test_invalid_parameters_are_rejected(wrong):
    with pytest.raises(InvalidInput):
        corrupt(random_affine(0), *batch(0), **{"epsilon": 0.1} | wrong)
