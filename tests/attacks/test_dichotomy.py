import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foolflow.attacks.deepfool import deepfool
from foolflow.attacks.dichotomy import dichotomy
from foolflow.attacks.linearised import _schedule, shortest_closing
from foolflow.errors import InvalidInput
from tests.attacks.boundaries import Masked, norms, two_classes
from tests.conftest import Affine, random_affine


@pytest.mark.parametrize("norm", ["l2", "linf"])
@given(seed=st.integers(0, 10**6), steps=st.sampled_from([3, 12, 100]))
@settings(max_examples=15)
def test_finds_the_distance_to_a_linear_boundary(norm, seed, steps):
    model, images, labels, distances = two_classes(seed)
    made = dichotomy(model, images, labels, norm=norm, steps=steps)
    assert made.success.all()
    assert (made.details["norms"] <= 1.003 * distances[norm] + 1e-4).all()
    assert (made.details["norms"] >= distances[norm] - 1e-5).all()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_finds_the_distance_within_the_box(norm):
    """The steepest pixel can only fall by 0.1, so the others have to close the rest of the gap."""
    model = Affine(torch.tensor([[2.0, 1.0, 1.0, 0.0], [0.0] * 4]), torch.tensor([0.0, 1.0]))
    images = torch.tensor([0.1, 0.9, 0.9, 0.5]).view(1, 1, 2, 2)
    made = dichotomy(model, images, torch.tensor([0]), norm=norm)
    # Gap 1: 0.2 from the first pixel, 0.4 from each of the next two.
    expected = {"l2": (0.1**2 + 2 * 0.4**2) ** 0.5, "linf": 0.4}[norm]
    assert made.details["norms"].item() == pytest.approx(expected, rel=2e-3)
    assert made.images.min() >= 0


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_the_shortest_closing_step_meets_its_conditions(seed):
    generator = torch.Generator().manual_seed(seed)
    gradients, clean = torch.randn(4, 1, 4, 4, generator=generator), torch.rand(4, 1, 4, 4, generator=generator)
    reach = (gradients * ((gradients > 0).float() - clean)).flatten(1).sum(1)
    rise = 0.8 * reach
    step = shortest_closing(gradients, rise, -clean, 1 - clean, "l2")
    assert torch.allclose((gradients * step).flatten(1).sum(1), rise, rtol=1e-4)
    inside = (step > -clean) & (step < 1 - clean)
    scale = (step / gradients).flatten(1)
    for row in range(4):  # free pixels change in proportion to their gradient, the others by no more than that
        free = scale[row][inside[row].flatten()]
        assert free.max() - free.min() < 1e-4 * free.max()
        assert (scale[row] <= free.max() * (1 + 1e-5)).all()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_every_correct_image_is_fooled_and_its_norm_is_exact(trained, norm):
    images, labels = trained.images[:200], trained.labels[:200]
    made = dichotomy(trained.model, images, labels, norm=norm, steps=20)
    wrong = trained.model(images).argmax(1) != labels
    assert wrong.any()
    assert made.success.all()
    assert torch.equal(made.success, trained.model(made.images).argmax(1) != labels)
    assert torch.equal(made.images[wrong], images[wrong])
    assert (made.gradient_evaluations[wrong] == 0).all()
    assert torch.allclose(made.details["norms"], norms(made.images, images, norm))
    assert (made.details["norms"][~wrong] > 0).all()
    assert made.images.min() >= 0
    assert made.images.max() <= 1


def test_perturbations_are_no_longer_than_those_of_ddn_with_no_more_evaluations(trained):
    foolbox = pytest.importorskip("foolbox")
    images, labels = trained.images[:100], trained.labels[:100]
    model = foolbox.PyTorchModel(trained.model, bounds=(0, 1), device="cpu")
    _, (theirs,), (success,) = foolbox.attacks.DDNAttack(steps=100)(model, images, labels, epsilons=[None])
    made = dichotomy(trained.model, images, labels)
    assert success.all()
    assert made.details["norms"].median() <= 1.01 * norms(theirs, images, "l2").median()
    assert made.details["norms"].mean() <= 1.01 * norms(theirs, images, "l2").mean()
    assert made.gradient_evaluations.max() <= 100


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_more_steps_give_shorter_perturbations_and_all_are_shorter_than_deepfools(trained, norm):
    images, labels = trained.images[:40], trained.labels[:40]
    few, many = (dichotomy(trained.model, images, labels, norm=norm, steps=steps) for steps in (10, 60))
    assert (many.gradient_evaluations <= 60).all()
    assert (few.gradient_evaluations <= 10).all()
    assert many.details["norms"].mean() < few.details["norms"].mean()
    assert (
        few.details["norms"].mean()
        < norms(deepfool(trained.model, images, labels, norm=norm).images, images, norm).mean()
    )


@given(steps=st.integers(1, 2000))
def test_the_stages_use_the_whole_budget(steps):
    stages = _schedule(steps)
    assert sum(starts * count for starts, count in stages) == steps
    assert [starts for starts, _ in stages] == [2**power for power in reversed(range(len(stages)))]
    assert all(count >= 1 for _, count in stages)


@pytest.mark.parametrize("parameters", [{}, {"norm": "linf"}, {"variant": "published", "steps": 20, "precision": 0.05}])
def test_an_image_does_not_depend_on_its_batch_or_the_order(trained, parameters):
    images, labels = trained.images[:20], trained.labels[:20]
    together = dichotomy(trained.model, images, labels, **parameters)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    shuffled = dichotomy(trained.model, images[order], labels[order], **parameters)
    assert torch.equal(shuffled.success, together.success[order])
    alone = [dichotomy(trained.model, images[i : i + 1], labels[i : i + 1], **parameters) for i in range(10)]
    found = torch.cat([shuffled.details["norms"], *(made.details["norms"] for made in alone)])
    expected = torch.cat([together.details["norms"][order], together.details["norms"][:10]])
    near = (found - expected).abs() <= 5e-3 * expected
    assert near.float().mean() >= 0.9  # rounding can lead a search to another minimum


@pytest.mark.parametrize("variant", ["improved", "published"])
def test_targets_are_reached(trained, variant):
    images, labels = trained.images[:8], trained.labels[:8]
    targets = (labels + 1) % 10
    parameters = {"steps": 60, "variant": variant, "precision": 0.1 if variant == "published" else 1e-3}
    untargeted = dichotomy(trained.model, images, labels, **parameters)
    made = dichotomy(trained.model, images, labels, targets=targets, **parameters)
    assert torch.equal(made.success, made.predictions == targets)
    if variant == "improved":
        assert made.success.all()
        assert (made.details["norms"] >= 0.97 * untargeted.details["norms"]).all()


def test_the_published_variant_finds_similar_norms(trained):
    images, labels = trained.images[:12], trained.labels[:12]
    published = dichotomy(trained.model, images, labels, variant="published", steps=200, precision=0.05)
    improved = dichotomy(trained.model, images, labels)
    wrong = trained.model(images).argmax(1) != labels
    assert published.success.all()
    assert (published.gradient_evaluations[~wrong] > improved.gradient_evaluations[~wrong]).all()
    ratio = published.details["norms"][~wrong] / improved.details["norms"][~wrong]
    assert (ratio > 0.98).all()
    assert ratio.median() < 1.7  # 1.4 here: it stops at the first point of a sphere that fools the model


@pytest.mark.parametrize("variant", ["improved", "published"])
def test_too_small_an_interval_is_widened(variant):
    model, images, labels, distances = two_classes(3)
    made = dichotomy(model, images, labels, interval=(0.0, 1e-3), variant=variant, steps=100)
    assert made.success.all()
    assert (made.details["norms"] > 1e-3).all()
    assert (made.details["norms"] <= {"improved": 1.01, "published": 1.5}[variant] * distances["l2"] + 1e-3).all()


def test_no_norm_below_the_interval_is_tried():
    model, images, labels, distances = two_classes(5)
    made = dichotomy(model, images, labels, interval=(0.5, 4.0))
    assert made.success.all()
    assert (made.details["norms"] >= torch.clamp(distances["l2"], min=0.5) - 1e-4).all()


def test_an_image_without_gradients_is_fooled_too():
    made = dichotomy(Masked(), torch.full((2, 1, 4, 4), 0.5), torch.zeros(2, dtype=torch.int64))
    assert made.success.all()
    assert (made.details["norms"] < 0.85).all()  # 4 pixels x 0.2, the line to white


@pytest.mark.parametrize("variant", ["improved", "published"])
def test_unfooled_images_are_returned_unchanged(variant):
    model = Affine(torch.zeros(3, 16), torch.tensor([1.0, 0.0, 0.0]))
    images = torch.full((2, 1, 4, 4), 0.5)
    made = dichotomy(model, images, torch.zeros(2, dtype=torch.int64), variant=variant, steps=5)
    assert torch.equal(made.images, images)
    assert not made.success.any()
    assert (made.details["norms"] == 0).all()


@pytest.mark.parametrize(
    "change",
    [
        {"norm": "l1"},
        {"variant": "best"},
        {"steps": 0},
        {"learning_rate": 0.0},
        {"learning_rate": 1.5},
        {"interval": (1.0, 1.0)},
        {"interval": (-1.0, 1.0)},
        {"precision": 0.0},
    ],
)
def test_parameters_out_of_range_are_rejected(change):
    with pytest.raises(InvalidInput, match=next(iter(change))):
        dichotomy(random_affine(0), torch.full((1, 1, 4, 4), 0.5), torch.tensor([0]), **change)
