import random
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from foolflow.attacks.fgsm import fgsm
from foolflow.compute.generators import seeded
from foolflow.compute.randomness import DRAWS, Expected, draws_of, expected, is_random
from tests.conftest import random_affine

IMAGES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Drawing(nn.Module):
    """A linear network whose forward pass is changed by `draw`."""

    def __init__(self, draw):
        super().__init__()
        self.body, self.draw = random_affine(0), draw

    def forward(self, images):
        return self.draw(self.body, images)


RANDOM = {
    "noise": lambda body, x: body(x + 0.1 * torch.randn_like(x)),
    "dropout that is left on": lambda body, x: body(nn.functional.dropout(x, 0.2)),
    "one coin for the batch": lambda body, x: body(x.flip(3)) if torch.rand(()) < 0.5 else body(x),
    "NumPy": lambda body, x: body(x) + float(np.random.rand()),
    "Python": lambda body, x: body(x) + random.random(),
}
NOT_RANDOM = {
    "plain": lambda body, x: body(x),
    "seeded in each pass": lambda body, x: body(x + torch.rand(x.shape, generator=torch.Generator().manual_seed(0))),
    "rounding": lambda body, x: body(x) * (1 + 1e-7 * torch.randn(())),
    "not finite": lambda body, x: body(x) * torch.nan,
    "it writes into its input": lambda body, x: body(x.add_(1)),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_a_random_victim_is_found_out(kind):
    assert is_random(Drawing(RANDOM[kind]), IMAGES)
    assert draws_of(Drawing(RANDOM[kind]), IMAGES) == DRAWS


def masked(body, images):
    logits = body(images)
    return torch.cat([logits, logits.sum(1, keepdim=True) - 1e9], 1)


@pytest.mark.parametrize("kind", [*RANDOM, *NOT_RANDOM])
def test_a_masked_class_hides_no_randomness(kind):
    """The masked logit itself varies by the spacing of floating-point numbers of its size."""
    draw = (RANDOM | NOT_RANDOM)[kind]
    assert is_random(Drawing(lambda body, x: draw(partial(masked, body), x)), IMAGES) == (kind in RANDOM)


@pytest.mark.parametrize("kind", NOT_RANDOM)
def test_other_victims_are_not_random(kind):
    kept = IMAGES.clone()
    assert not is_random(Drawing(NOT_RANDOM[kind]), IMAGES)
    assert draws_of(Drawing(NOT_RANDOM[kind]), IMAGES) == 1
    assert torch.equal(IMAGES, kept)


def test_without_images_nothing_is_random():
    assert not is_random(Drawing(RANDOM["noise"]), IMAGES[:0])


@pytest.mark.parametrize("kind", ["noise", "plain"])
def test_images_that_do_not_fit_together_are_tried_in_parts(kind, capsys):
    def too_many(body, x):
        if len(x) > 1:
            raise MemoryError
        return (RANDOM | NOT_RANDOM)[kind](body, x)

    assert is_random(Drawing(too_many), IMAGES) == (kind == "noise")
    assert "2 images at once do not fit in memory; trying halves" in capsys.readouterr().out


def test_the_question_changes_no_generator():
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert is_random(Drawing(RANDOM["noise"]), IMAGES)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]


@pytest.mark.parametrize("kind", RANDOM)
def test_every_generator_is_seeded(kind):
    victim = Drawing(RANDOM[kind])

    def three():
        with seeded("a", 1, device=torch.device("cpu")):
            return torch.stack([victim(IMAGES) for _ in range(3)])

    assert torch.equal(three(), three())


def test_one_sample_is_the_victim_itself():
    victim = Drawing(RANDOM["noise"])
    assert expected(victim, 1) is victim
    assert isinstance(expected(victim, 2), Expected)


def test_logits_and_gradients_are_those_of_the_mean():
    """The logits are linear in a random matrix, so their mean is known."""
    victim = Drawing(lambda body, x: body(x) + x.flatten(1) @ torch.randn(16, 5))
    inputs = IMAGES.clone().requires_grad_()
    with seeded("mean", device=torch.device("cpu")):
        logits = Expected(victim, 4000)(inputs)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), inputs)
    with torch.no_grad():
        assert (logits - victim.body(IMAGES)).abs().max() < 0.3
    assert (gradient.flatten(1) - victim.body.weight[0]).abs().max() < 0.1


def test_an_attack_on_the_mean_is_stronger_than_on_one_draw():
    victim = Drawing(lambda body, x: body(x) + 4 * (x.flatten(1) - 0.5) @ torch.randn(16, 5))
    images = torch.rand(200, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        labels = victim.body(images).argmax(1)

    def fooled(samples):
        with seeded("fooled", device=torch.device("cpu")):
            made = fgsm(expected(victim, samples), images, labels, epsilon=0.2)
        with torch.no_grad():
            return (victim.body(made.images).argmax(1) != labels).float().mean().item()

    assert fooled(100) > fooled(1) + 0.2


def test_the_mean_of_a_function_freezes_the_module_that_it_calls_and_takes_any_output():
    body = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 5)).train()
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    images, labels = IMAGES, torch.zeros(len(IMAGES), dtype=torch.int64)

    def normalised(x):
        assert not body.training
        return {"logits": body(x / 2)}

    fgsm(expected(normalised, 3), images, labels, epsilon=0.2)
    assert body.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in body.state_dict().items())
