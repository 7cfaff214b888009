import pytest
import torch
from scipy.stats import binomtest, kstest
from torch import nn

from foolflow.attacks.corrupt import _mixed, _random_numbers, corrupt
from foolflow.errors import InvalidInput


class NoGradient(nn.Module):
    """A network that raises if anybody asks for its gradient."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        assert not torch.is_grad_enabled()
        return self.network(images)


@pytest.mark.parametrize(("norm", "order"), [("linf", torch.inf), ("l2", 2)])
def test_noise_has_the_requested_size(norm, order):
    images, network = torch.full((5, 3, 8, 6), 0.5), nn.Sequential(nn.Flatten(), nn.Linear(144, 2))
    labels = network(images).argmax(1)
    made = corrupt(NoGradient(network), images, labels, epsilon=[0.1, 0.4], norm=norm)
    sizes = (made.images - images).flatten(2).norm(p=order, dim=2)
    assert torch.allclose(sizes, torch.tensor([[0.1], [0.4]]).expand(2, 5), atol=1e-6)
    if norm == "linf":
        assert torch.allclose((made.images[0] - images).abs(), torch.tensor(0.1), atol=1e-6)
    assert made.gradient_evaluations.sum() == 0


def test_the_result_for_an_image_depends_on_that_image_alone(trained):
    images, labels = trained.images[:20], trained.labels[:20]
    together = corrupt(trained.model, images, labels, epsilon=0.4, draws=3)
    backwards = corrupt(trained.model, images.flip(0), labels.flip(0), epsilon=0.4, draws=3)
    assert torch.equal(together.images, backwards.images.flip(0))
    for row in range(3):
        alone = corrupt(trained.model, images[row : row + 1], labels[row : row + 1], epsilon=0.4, draws=3)
        assert torch.equal(alone.images, together.images[row : row + 1])


def test_more_draws_fool_more_images_and_all_stay_in_range(trained):
    images, labels = trained.images[:100], trained.labels[:100]
    few, many = (corrupt(trained.model, images, labels, epsilon=0.4, draws=draws) for draws in (1, 10))
    assert few.success.sum() < many.success.sum()
    assert (many.success | ~few.success).all()
    assert many.images.min() >= 0
    assert many.images.max() <= 1
    assert many.iterations.max() == 10


@pytest.mark.parametrize("wrong", [{"kind": "fog"}, {"norm": "l1"}, {"draws": 0}, {"epsilon": -1}])
def test_parameters_out_of_range_are_rejected(trained, wrong):
    with pytest.raises(InvalidInput, match=r"^[^\n]+$"):
        corrupt(trained.model, trained.images[:2], trained.labels[:2], **{"epsilon": 0.1} | wrong)


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


def test_signs_are_fair_and_directions_have_no_preference():
    images = torch.full((400, 1, 4, 4), 0.5) + torch.arange(400).view(-1, 1, 1, 1) * 1e-4
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    labels = network(images).argmax(1)
    signs = corrupt(network, images, labels, epsilon=0.1).images > images
    assert binomtest(int(signs.sum()), signs.numel()).pvalue > 0.001
    steps = corrupt(network, images, labels, epsilon=0.1, norm="l2").images - images
    assert steps.flatten(1).mean(0).abs().max() < 0.01  # 0.1 / 4 in each pixel, of either sign
