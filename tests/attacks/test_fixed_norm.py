import pytest
import torch

from foolflow.attacks.dichotomy import dichotomy
from foolflow.attacks.fixed_norm import fixed_norm
from foolflow.errors import InvalidInput
from tests.conftest import Affine

# Two classes; the boundary of an image is at a known distance.
WEIGHTS = torch.randn(1, 3, 3, generator=torch.Generator().manual_seed(1))
IMAGES = 0.5 + 0.02 * torch.randn(5, 1, 3, 3, generator=torch.Generator().manual_seed(2))
LABELS = torch.zeros(5, dtype=torch.int64)
SLOPES = torch.stack([WEIGHTS.flatten(), torch.zeros(9)])
MODEL = Affine(SLOPES, torch.tensor([0.2 - 0.5 * WEIGHTS.sum(), 0])).requires_grad_(False)


# Adam changes all pixels about equally, so r ends along the signs of the gradient: in L2, sqrt(9) is lost to ||w||_1.
REACHED = {"l2": 3 / WEIGHTS.norm(p=1), "linf": 1 / WEIGHTS.norm(p=1)}


@pytest.mark.parametrize(("norm", "dual"), [("l2", 2), ("linf", 1)])
def test_it_fails_below_the_distance_of_the_boundary_and_succeeds_where_adam_reaches_it(norm, dual):
    gaps = MODEL(IMAGES)[:, 0]
    above, below = float(1.1 * gaps.max() * REACHED[norm]), float(0.95 * gaps.min() / WEIGHTS.norm(p=dual))
    made = fixed_norm(MODEL, IMAGES, LABELS, epsilon=[below, above], norm=norm, steps=300, learning_rate=0.05)
    assert made.success.tolist() == [[False] * 5, [True] * 5]
    assert torch.equal(made.images[0], IMAGES)
    lengths = (made.images[1] - IMAGES).flatten(1).norm(p=2 if norm == "l2" else torch.inf, dim=1)
    assert lengths.numpy() == pytest.approx(above, rel=1e-4)
    assert (made.iterations[0] == 300).all()
    assert (made.iterations[1] < 300).all()


def test_it_tells_whether_the_steps_suffice():
    epsilon = float(1.1 * MODEL(IMAGES)[:, 0].max() * REACHED["l2"])
    few = fixed_norm(MODEL, IMAGES, LABELS, epsilon=epsilon, steps=1, learning_rate=1e-4)
    many = fixed_norm(MODEL, IMAGES, LABELS, epsilon=epsilon, steps=400, learning_rate=0.05)
    assert not few.success.any()
    assert many.success.all()


def test_with_a_target_it_goes_there_and_misclassified_images_stay():
    targets = torch.ones_like(LABELS)
    assert fixed_norm(MODEL, IMAGES, LABELS, epsilon=1.0, targets=targets, steps=200, learning_rate=0.05).success.all()
    wrong = fixed_norm(MODEL, IMAGES, 1 - LABELS, epsilon=1.0, steps=5)
    assert torch.equal(wrong.images, IMAGES)
    assert (wrong.gradient_evaluations == 0).all()


def test_the_first_trial_of_the_published_dichotomy_is_this_attack():
    """With a bracket that closes at once, the bisection is one descent at its upper end."""
    found = dichotomy(
        MODEL, IMAGES, LABELS, variant="published", steps=100, learning_rate=0.05, interval=(0.999, 1.0), precision=0.9
    )
    made = fixed_norm(MODEL, IMAGES, LABELS, epsilon=1.0, steps=100, learning_rate=0.05)
    assert torch.equal(found.images, made.images)


@pytest.mark.parametrize(
    ("wrong", "words"), [({"norm": "l1"}, "norm"), ({"steps": 0}, "steps"), ({"learning_rate": 0.0}, "learning_rate")]
)
def test_wrong_parameters_are_rejected(wrong, words):
    with pytest.raises(InvalidInput, match=words):
        fixed_norm(MODEL, IMAGES, LABELS, epsilon=1.0, **wrong)
