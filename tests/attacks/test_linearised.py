import pytest
import torch
from torch import nn

from foolflow.attacks.automatic import automatic
from foolflow.attacks.dichotomy import dichotomy
from foolflow.attacks.gaps import FADED, NOISE, fading_noise
from foolflow.attacks.linearised import FEWEST_TO_EXPLORE

THRESHOLD = 0.3


class Thresholds(nn.Module):
    """Ignores changes of a pixel below THRESHOLD, as networks do that were trained against L-infinity attacks.

    Class 1 leads as soon as the changes beyond the threshold, weighted, add up to 1. Black images have no gradient.
    """

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights).view(1, 1, 2, 2))

    def forward(self, images):
        beyond = (self.weights * (images - THRESHOLD).clamp_min(0)).flatten(1).sum(1)
        return torch.stack([torch.ones_like(beyond), beyond], 1)


@pytest.mark.parametrize("attack", [dichotomy, automatic])
def test_noise_shows_a_way_past_thresholds_that_hide_the_gradient(attack):
    """One pixel of weight 4 has to rise to 0.3 + 1/4; without a gradient, only fixed images would be left."""
    model, images = Thresholds([4.0, 1.0, 1.0, 1.0]), torch.zeros(3, 1, 2, 2)
    made = attack(model, images, torch.zeros(3, dtype=torch.int64))
    assert made.success.all()
    assert made.details["norms"].max().item() <= 1.05 * (THRESHOLD + 1 / 4)
    assert made.details["norms"].min().item() >= THRESHOLD + 1 / 4 - 1e-5


@pytest.mark.parametrize("steps", [10, FEWEST_TO_EXPLORE - 1, FEWEST_TO_EXPLORE, 50])
def test_the_phases_use_no_more_than_the_steps(trained, steps):
    images, labels = trained.images[:12], trained.labels[:12]
    made = dichotomy(trained.model, images, labels, steps=steps)
    fooled_at_once = made.gradient_evaluations <= steps
    assert fooled_at_once.float().mean() >= 0.5  # the others searched again, in all of [0, 1]
    assert (made.gradient_evaluations <= 3 * steps).all()


def test_averaging_costs_nothing_on_a_network_that_does_not_need_it(trained, monkeypatch):
    """It shortens perturbations on robust networks, which a test cannot train."""
    images, labels = trained.images[:40], trained.labels[:40]
    averaged = dichotomy(trained.model, images, labels, steps=100)
    monkeypatch.setattr("foolflow.attacks.linearised._step.__kwdefaults__", {"memory": 0.0, "noise": None})
    alone = dichotomy(trained.model, images, labels, steps=100)
    assert averaged.details["norms"].mean() <= 1.03 * alone.details["norms"].mean()


def test_the_noise_fades_away_and_depends_on_the_seed_alone():
    noises = torch.cat(list(fading_noise(10, (3, 8, 8), seed=1)))
    assert noises.shape == (10, 3, 8, 8)
    largest = noises.abs().amax((1, 2, 3))
    assert NOISE * 0.9 < largest[0] <= NOISE
    assert (largest.diff() <= 0.05).all()
    assert (largest[int(FADED * 10) :] == 0).all()
    assert torch.equal(noises, torch.cat(list(fading_noise(10, (3, 8, 8), seed=1))))
    assert not torch.equal(noises, torch.cat(list(fading_noise(10, (3, 8, 8), seed=2))))
