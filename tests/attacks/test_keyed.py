import torch
from scipy.stats import kstest

from foolflow.attacks.keyed import _mixed, few_numbers, normal_numbers, random_numbers


def test_the_mixing_function_is_that_of_splitmix64():
    """The first outputs of the reference implementation (java.util.SplittableRandom) for the seed 0."""
    golden = 0x9E3779B97F4A7C15
    states = [(count * golden) % 2**64 for count in (1, 2, 3)]
    signed = torch.tensor([state - 2**64 if state >= 2**63 else state for state in states])
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [number % 2**64 for number in _mixed(signed).tolist()] == expected


def test_the_numbers_are_uniform_and_differ_between_images_seeds_and_pixels():
    images = torch.rand(200, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    numbers = random_numbers(images, 0)
    assert kstest(numbers.flatten(), "uniform").pvalue > 0.001
    assert kstest(normal_numbers(images, 0).flatten(), "norm").pvalue > 0.001
    assert numbers.flatten().unique().numel() == numbers.numel()
    assert (numbers != random_numbers(images, 1)).all()
    correlations = torch.corrcoef(numbers.flatten(1)[:20]).fill_diagonal_(0)
    assert correlations.abs().max() < 0.2


def test_a_few_numbers_are_the_first_of_many_and_may_be_more_than_the_pixels():
    images = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(few_numbers(images, 3, 2), random_numbers(images, 3).flatten(1)[:, :2])
    more = few_numbers(images, 3, 9)
    assert more.shape == (5, 9)
    assert torch.equal(more[:, :2], few_numbers(images, 3, 2))
    assert few_numbers(images[:0], 3, 2).shape == (0, 2)
