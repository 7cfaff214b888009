import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foolflow.attacks.base import ROUNDING
from foolflow.attacks.deepfool import HARD, LEAST, NUDGE, _gradients, deepfool
from foolflow.errors import InvalidInput
from tests.conftest import Affine, random_affine

GENTLE = 0.02  # a weight so small that no minimal perturbation leaves [0, 1]


def case(seed: int, norm: str):
    """An affine model whose boundaries lie within [0, 1], images at 0.5, and the minimal perturbations."""
    model = random_affine(seed)
    model.bias.data *= GENTLE
    images = torch.full((1, 1, 4, 4), 0.5) + 0.02 * torch.rand(
        8, 1, 4, 4, generator=torch.Generator().manual_seed(seed)
    )
    centre = images.mean(0, keepdim=True)
    model.bias.data -= (centre.flatten(1) @ model.weight.T)[0]
    model.bias.data += 0.05 * torch.randn(5, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        logits = model(images)
    labels = logits.argmax(1)
    rows = torch.arange(8)
    gaps = (logits - logits[rows, labels][:, None]).abs()
    slopes = model.weight.data[None] - model.weight.data[labels][:, None]
    length = slopes.norm(dim=2) if norm == "l2" else slopes.abs().sum(2)
    distance = gaps / length
    distance[rows, labels] = torch.inf
    nearest = distance.argmin(1)
    slope, length = slopes[rows, nearest], length[rows, nearest][:, None]
    step = gaps[rows, nearest][:, None] * (1 + NUDGE * ROUNDING) / length + LEAST
    minimal = step * (slope / length if norm == "l2" else slope.sign())
    return model, images, labels, minimal.view_as(images)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@given(seed=st.integers(0, 10**6), overshoot=st.sampled_from([0.0, 0.02, 0.1]))
@settings(max_examples=30)
def test_lands_on_the_minimal_perturbation_of_an_affine_classifier(norm, seed, overshoot):
    model, images, labels, minimal = case(seed, norm)
    expected = images + (1 + overshoot) * minimal
    assert expected.min() > 0
    assert expected.max() < 1
    made = deepfool(model, images, labels, overshoot=overshoot, norm=norm)
    assert torch.allclose(made.images, expected, atol=1e-5)
    assert made.success.all()
    assert (made.iterations == 1).all()


@pytest.mark.parametrize(("norm", "attack"), [("l2", "L2DeepFoolAttack"), ("linf", "LinfDeepFoolAttack")])
def test_comparison_with_foolbox_on_a_trained_victim(trained, norm, attack):
    foolbox = pytest.importorskip("foolbox")
    images, labels = trained.images[:200], trained.labels[:200]
    ours = deepfool(trained.model, images, labels, norm=norm)
    model = foolbox.PyTorchModel(trained.model, bounds=(0, 1), device="cpu")
    _, (theirs,), (success,) = getattr(foolbox.attacks, attack)()(model, images, labels, epsilons=[None])
    assert ours.success.all()
    assert success.all()
    order = 2 if norm == "l2" else torch.inf
    length = [(made - images).flatten(1).norm(p=order, dim=1).mean() for made in (ours.images, theirs)]
    assert length[0] <= 1.01 * length[1]


def gradients_of(iterations):
    """All nine rivals in the first step, the four nearest in the next three, and all again once the image is hard."""
    steps = torch.arange(iterations.max())
    each = torch.where((steps == 0) | (steps >= HARD), 9, 4)
    return each.cumsum(0)[iterations - 1]


def test_correct_images_are_fooled_and_misclassified_ones_unchanged(trained):
    made = deepfool(trained.model, trained.images, trained.labels)
    wrong = trained.model(trained.images).argmax(1) != trained.labels
    assert wrong.any()
    assert made.success.all()
    assert torch.equal(made.images[wrong], trained.images[wrong])
    assert (made.iterations[wrong] == 0).all()
    assert (made.iterations[~wrong] >= 1).all()
    assert torch.equal(made.gradient_evaluations[~wrong], gradients_of(made.iterations[~wrong]))
    assert (made.gradient_evaluations[wrong] == 0).all()
    assert made.images.min() >= 0
    assert made.images.max() <= 1


def test_without_labels_every_image_leaves_its_prediction_and_some_become_right(trained):
    made = deepfool(trained.model, trained.images, trained.labels, leave="prediction")
    with_labels = deepfool(trained.model, trained.images, trained.labels)
    before = trained.model(trained.images).argmax(1)
    wrong = before != trained.labels
    after = trained.model(made.images).argmax(1)
    assert (after != before).all()
    assert torch.equal(made.predictions, after)
    assert (after[wrong] == trained.labels[wrong]).any()
    assert torch.equal(made.success, after != trained.labels)
    assert (made.images[~wrong] - with_labels.images[~wrong]).abs().max() < 1e-4


def test_an_image_does_not_depend_on_its_batch_or_the_order(trained):
    images, labels = trained.images[:40], trained.labels[:40]
    together = deepfool(trained.model, images, labels)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    shuffled = deepfool(trained.model, images[order], labels[order])
    assert (shuffled.images - together.images[order]).abs().max() < 1e-4
    alone = deepfool(trained.model, images[3:4], labels[3:4])
    assert (alone.images[0] - together.images[3]).abs().max() < 1e-4


def test_gradients_of_several_columns_equal_those_of_single_images_and_columns(trained):
    inputs = trained.images[:3].clone().requires_grad_()
    gradients = _gradients(trained.model, inputs, trained.model(inputs), lambda logits: logits[:, [4, 1]])
    assert gradients.shape == (2, *inputs.shape)
    for image in range(3):
        for place, column in enumerate((4, 1)):
            alone = trained.images[image : image + 1].clone().requires_grad_()
            (expected,) = torch.autograd.grad(trained.model(alone)[0, column], alone)
            assert torch.allclose(gradients[place, image], expected[0], atol=1e-5)


class OnePassEach(torch.autograd.Function):
    """The identity, whose graph permits one backward pass, as that of a compiled model."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        if torch._C._autograd._get_current_graph_task_keep_graph():
            raise RuntimeError("requires create_graph=False and retain_graph=False")
        return gradient


def test_models_whose_graph_cannot_be_retained_give_the_same_result(trained):
    images, labels = trained.images[:20], trained.labels[:20]
    once = deepfool(lambda x: OnePassEach.apply(trained.model(x)), images, labels)
    made = deepfool(trained.model, images, labels)
    assert torch.allclose(once.images, made.images, atol=1e-5)
    assert torch.equal(once.gradient_evaluations, made.gradient_evaluations)


def test_the_nearest_classes_give_the_same_result_as_all_classes(trained):
    few, every = (deepfool(trained.model, trained.images[:200], trained.labels[:200], nearest=n) for n in (2, 9))
    assert few.success.all()
    lengths = [(made.images - trained.images[:200]).flatten(1).norm(dim=1).mean() for made in (few, every)]
    assert lengths[0] <= 1.005 * lengths[1]
    assert few.gradient_evaluations.sum() < 0.6 * every.gradient_evaluations.sum()


def test_fewer_classes_need_fewer_gradients_and_still_fool(trained):
    made = deepfool(trained.model, trained.images[:100], trained.labels[:100], classes=3)
    assert made.success.all()
    assert torch.equal(made.gradient_evaluations, 2 * made.iterations)


def test_zero_steps_change_nothing():
    model, images, labels, _ = case(0, "l2")
    made = deepfool(model, images, labels, steps=0)
    assert torch.equal(made.images, images)
    assert not made.success.any()


def test_a_flat_model_is_not_fooled_and_stays_finite():
    model = Affine(torch.zeros(3, 16), torch.tensor([1.0, 0.0, 0.0]))
    made = deepfool(model, torch.full((2, 1, 4, 4), 0.5), torch.zeros(2, dtype=torch.int64), steps=5)
    assert made.images.isfinite().all()
    assert not made.success.any()


@pytest.mark.parametrize(
    "change", [{"norm": "l1"}, {"steps": -1}, {"overshoot": -0.1}, {"classes": 1}, {"nearest": 0}, {"leave": "x"}]
)
def test_parameters_out_of_range_are_rejected(change):
    model, images, labels, _ = case(0, "l2")
    with pytest.raises(InvalidInput, match=next(iter(change))):
        deepfool(model, images, labels, **change)
