"""The images that a library returns are judged by Foolflow, whatever the library reports."""

import random

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from foolflow.attacks.peers.running import run_peer
from foolflow.errors import InvalidInput
from tests.conftest import random_affine

AFFINE = random_affine(3)
IMAGES = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(1))
LABELS = AFFINE(IMAGES).argmax(1).detach()


def run(make_images, labels=LABELS, **options):
    return run_peer(make_images, "fake:attack", AFFINE, IMAGES, labels, **options)


def noise(model, images, labels, targets):
    return torch.rand_like(images)


def test_predictions_come_from_the_victim():
    made = run(noise)
    assert torch.equal(made.predictions, AFFINE(made.images).argmax(1))
    assert torch.equal(made.success, made.predictions != LABELS)
    assert 0 < made.success.sum() < 40


def test_misclassified_images_are_unchanged_and_cost_nothing():
    labels = LABELS.clone()
    labels[:10] = (labels[:10] + 1) % 5
    batch_sizes = []

    def attack(model, images, labels, targets):
        batch_sizes.append(len(images))
        return noise(model, images, labels, targets)

    made = run(attack, labels)
    assert batch_sizes == [30]
    assert torch.equal(made.images[:10], IMAGES[:10])
    assert made.success[:10].all()
    assert made.details["queries"][:10].sum() == 0
    unattacked = run(attack, (LABELS + 1) % 5)
    assert batch_sizes == [30]
    assert torch.equal(unattacked.images, IMAGES)
    assert unattacked.details.keys() == made.details.keys()


def test_targets_reach_the_attack_and_define_success():
    targets = (LABELS + 1) % 5

    def attack(model, images, labels, targets):
        assert len(targets) == len(images)
        return noise(model, images, labels, targets)

    made = run(attack, targets=targets)
    assert torch.equal(made.success, made.predictions == targets)


def test_gradient_evaluations_are_counted_on_the_victim():
    def attack(model, images, labels, targets):
        for rows in (slice(None), slice(0, 7)):  # every image once, seven of them twice
            inputs = images[rows].clone().requires_grad_()
            torch.autograd.grad(cross_entropy(model(inputs), labels[rows]), inputs)
        with torch.no_grad():
            model(images)
        return images

    made = run(attack)
    assert made.gradient_evaluations.sum() == 47
    assert made.gradient_evaluations.unique().tolist() == [1, 2]
    assert made.details["queries"].sum() == 87


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_non_finite_image_is_a_failure_and_not_an_error(bad):
    def attack(model, images, labels, targets):
        images[3, 0, 1, 1] = bad
        return 1 - images

    made = run(attack)
    assert made.details["rejected"].nonzero().flatten().tolist() == [3]
    assert torch.equal(made.images[3], IMAGES[3])
    assert not made.success[3]


def test_a_blank_image_is_a_failure_in_any_class():
    def attack(model, images, labels, targets):
        return torch.zeros_like(images)

    made = run(attack)
    assert made.details["rejected"].all()
    assert not made.success.any()


def test_a_blank_original_may_stay_blank():
    grey = torch.full((1, 1, 4, 4), 0.5)
    label = AFFINE(grey).argmax(1)
    made = run_peer(lambda model, images, labels, targets: images * 0.9, "fake:attack", AFFINE, grey, label)
    assert not made.details["rejected"].any()


def test_values_that_rounding_moves_out_of_range_are_clipped():
    made = run(lambda model, images, labels, targets: torch.where(images > 0.5, 1 + 1e-6, images))
    assert not made.details["rejected"].any()
    assert made.images.max() == 1


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (lambda model, images, labels, targets: images * 255, "leave [0, 1]: from"),
        (lambda model, images, labels, targets: images - 0.5, "leave [0, 1]: from -0."),
        (lambda model, images, labels, targets: images[:1], "(1, 1, 4, 4)"),
        (lambda model, images, labels, targets: (images * 255).to(torch.uint8), "torch.uint8"),
        (lambda model, images, labels, targets: None, "NoneType"),
        (lambda model, images, labels, targets: 1 / 0, "failed: ZeroDivisionError"),
    ],
)
def test_an_invalid_return_value_gives_one_line_that_names_the_attack(attack, words):
    with pytest.raises(InvalidInput, match=r"^attack fake:attack [^\n]+$") as caught:
        run(attack)
    assert words in str(caught.value)


def test_random_numbers_depend_only_on_the_images_and_the_global_state_is_restored():
    def attack(model, images, labels, targets):
        return torch.rand_like(images) * random.random() * float(np.random.rand())

    def seed():
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    seed()
    first = run(attack)
    after = draw()
    assert torch.equal(run(attack).images, first.images)
    seed()
    assert draw() == after


def test_the_victim_is_unchanged():
    model = random_affine(2).train()
    run_peer(noise, "fake:attack", model, IMAGES, LABELS)
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
