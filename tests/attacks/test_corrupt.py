import pytest
import torch
from torch import nn

from foolflow.attacks.corrupt import corrupt
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
