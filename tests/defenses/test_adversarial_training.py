import pytest
import torch

from foolflow.attacks.fgsm import fgsm
from foolflow.defenses.adversarial_training import adversarial_training
from foolflow.errors import InvalidInput
from tests.conftest import random_affine


def attacked(model, images, labels, seed=0, **parameters):
    return adversarial_training(model, images, labels, torch.Generator().manual_seed(seed), **parameters)


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(20, 1, 4, 4, generator=generator)
    return random_affine(0).requires_grad_(False), images, torch.randint(0, 5, (20,), generator=generator)


def test_one_step_from_the_image_is_fgsm(case):
    model, images, labels = case
    expected = fgsm(model, images, labels, epsilon=0.1).images
    assert torch.allclose(attacked(model, images, labels, epsilon=0.1), expected, atol=1e-6)


@pytest.mark.parametrize("parameters", [{"random_start": True}, {"steps": 7}, {"steps": 3, "random_start": True}])
def test_images_stay_in_the_ball_and_the_box_and_raise_the_loss(case, parameters):
    model, images, labels = case
    found = attacked(model, images, labels, epsilon=0.1, **parameters)
    assert (found - images).abs().max() <= 0.1 + 1e-6
    assert 0 <= found.min() <= found.max() <= 1
    loss = torch.nn.functional.cross_entropy
    assert loss(model(found), labels) > loss(model(images), labels)


def test_only_the_given_share_of_the_batch_is_attacked(case):
    model, images, labels = case
    found = attacked(model, images, labels, epsilon=0.1, share=0.25)
    changed = (found != images).flatten(1).any(1)
    assert changed.tolist() == [True] * 5 + [False] * 15


def test_random_starts_come_from_the_generator(case):
    model, images, labels = case
    one, same, other = (attacked(model, images, labels, seed, epsilon=0.1, random_start=True) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_n_fgsm_steps_from_a_start_in_a_larger_cube_without_projection(case):
    model, images, labels = case
    images = 0.4 + 0.2 * images  # far from the bounds of the box
    found = attacked(model, images, labels, epsilon=0.1, random_start=2, step_size=0.1, project=False)
    offset = (found - images).abs()
    assert 0.25 < offset.max() <= 0.3 + 1e-6
    projected = attacked(model, images, labels, epsilon=0.1, random_start=2, step_size=0.1)
    assert torch.allclose(projected, images + (found - images).clamp(-0.1, 0.1), atol=1e-6)


def down(images):
    """Return logits whose loss, for the label 0, rises as any pixel falls."""
    mean = images.flatten(1).mean(1)
    return torch.stack([mean, -mean], dim=1)


@pytest.mark.parametrize(("model", "saturated"), [(down, 1.0), (lambda images: -down(images), 0.0)], ids=["1", "0"])
@pytest.mark.parametrize("more", [{}, {"random_start": 2, "project": False}], ids=["Wong et al.", "N-FGSM"])
def test_a_saturated_pixel_steps_from_the_box_and_not_from_a_start_beyond_it(model, saturated, more):
    images, labels = torch.full((5, 1, 8, 8), saturated), torch.zeros(5, dtype=torch.int64)
    found = attacked(model, images, labels, **{"epsilon": 0.3, "step_size": 0.3, "random_start": True} | more)
    assert (found - images).abs().min() >= 0.3 - 1e-6


@pytest.mark.parametrize("saturated", [0.0, 1.0])
def test_a_step_out_of_the_box_does_not_count_against_the_next_one(saturated):
    images, labels = torch.full((2, 1, 8, 8), saturated), torch.zeros(2, dtype=torch.int64)
    signs = iter([-1, 1] if saturated else [1, -1])

    def first_outwards(inputs):
        return next(signs) * down(inputs)

    found = attacked(first_outwards, images, labels, epsilon=0.3, steps=2, step_size=0.2)
    assert torch.allclose((found - images).abs(), torch.tensor(0.2))


def test_the_radius_and_the_step_rise_during_the_warm_up(case):
    model, images, labels = case
    parameters = {"steps": 3, "random_start": True}

    def at(progress, **more):
        generator = torch.Generator().manual_seed(0)
        return adversarial_training(model, images, labels, generator, progress, **parameters, **more)

    assert torch.equal(at(0.0, epsilon=0.2, warm_up=0.5), images)
    assert torch.allclose(at(0.25, epsilon=0.2, warm_up=0.5), at(1.0, epsilon=0.1), atol=1e-6)
    for progress in (0.5, 0.75, 1.0):
        assert torch.equal(at(progress, epsilon=0.2, warm_up=0.5), at(1.0, epsilon=0.2))


def test_a_share_that_rounds_to_no_image_leaves_the_batch_alone(case):
    _, images, labels = case

    def fails(_):
        raise AssertionError("the network was called")

    found = adversarial_training(fails, images[:2], labels[:2], torch.Generator(), epsilon=0.1, share=0.2)
    assert torch.equal(found, images[:2])


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": 8},
        {"epsilon": 0},
        {"epsilon": -0.1},
        {"epsilon": 0.1, "steps": 0},
        {"epsilon": 0.1, "steps": 1.5},
        {"epsilon": 0.1, "step_size": 0},
        {"epsilon": 0.1, "random_start": -1},
        {"epsilon": 0.1, "share": 50},
        {"epsilon": 0.1, "share": float("nan")},
        {"epsilon": 0.1, "warm_up": -0.1},
    ],
    ids=str,
)
def test_parameters_out_of_range_are_rejected(case, wrong):
    with pytest.raises(InvalidInput, match=f"adversarial_training: {list(wrong)[-1]}: "):
        attacked(*case, **wrong)
