import pytest
import torch

from foolflow.attacks.pgd import pgd
from foolflow.attacks.pgd_undetected import pgd_undetected
from foolflow.defenses.loading import load_filter
from foolflow.defenses.squeezing import score_images
from foolflow.errors import InvalidInput
from tests.attacks.cases import ImageByImage
from tests.conftest import random_affine

SQUEEZERS = [
    {"method": "bit_depth", "parameters": {"bits": 1}},
    {"method": "median_filter", "parameters": {"size": 2}},
]
COUNT = 40


def scores(model, images):
    squeezers = {str(place): load_filter(squeezer) for place, squeezer in enumerate(SQUEEZERS)}
    return score_images(model, images, squeezers, torch.device("cpu"))["score"]


def test_it_fools_every_image_that_pgd_fools_and_is_detected_less(trained):
    images, labels = trained.images[:COUNT], trained.labels[:COUNT]
    threshold = scores(trained.model, trained.images[100:300]).quantile(0.95)
    plain = pgd(trained.model, images, labels, epsilon=0.3, steps=15)
    adaptive = pgd_undetected(trained.model, images, labels, epsilon=0.3, steps=15, squeezers=SQUEEZERS)
    assert (adaptive.success | ~plain.success).all()
    plain_detected, detected = ((scores(trained.model, made.images) > threshold) for made in (plain, adaptive))
    assert (adaptive.success & ~detected).sum() > (plain.success & ~plain_detected).sum() + 0.3 * COUNT


def test_targets_are_reached_undetected(trained):
    images, labels = trained.images[:20], trained.labels[:20]
    targets = (labels + 1) % 10
    plain = pgd(trained.model, images, labels, targets=targets, epsilon=0.35, steps=20)
    adaptive = pgd_undetected(
        trained.model, images, labels, targets=targets, epsilon=0.35, steps=20, squeezers=SQUEEZERS
    )
    assert (adaptive.success | ~plain.success).all()
    assert torch.equal(adaptive.success, adaptive.predictions == targets)
    both = adaptive.success & plain.success
    assert scores(trained.model, adaptive.images)[both].mean() < scores(trained.model, plain.images)[both].mean()


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("l2", 1.5)])
def test_images_stay_in_the_ball_and_in_range(trained, norm, epsilon):
    images, labels = trained.images[:COUNT], trained.labels[:COUNT]
    made = pgd_undetected(trained.model, images, labels, epsilon=epsilon, norm=norm, steps=5, squeezers=SQUEEZERS)
    lengths = (made.images - images).flatten(1).norm(dim=1, p=torch.inf if norm == "linf" else 2)
    assert lengths.max() <= epsilon + 1e-5
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    assert torch.equal(made.success, trained.model(made.images).argmax(1) != labels)


@pytest.mark.parametrize(
    "squeezer",
    [{"method": "jpeg", "parameters": {"quality": 75}}, {"method": "low_pass", "parameters": {"cutoff": 0.4}}],
    ids=lambda squeezer: squeezer["method"],
)
def test_an_empty_batch_passes_through_every_squeezer(trained, squeezer):
    made = pgd_undetected(trained.model, trained.images[:0], trained.labels[:0], epsilon=0.1, squeezers=[squeezer])
    assert made.images.shape == (0, *trained.images.shape[1:])


def test_without_weight_it_still_returns_the_iterate_with_the_lowest_score(trained):
    images, labels = trained.images[:COUNT], trained.labels[:COUNT]
    few, many = (
        pgd_undetected(
            trained.model, images, labels, epsilon=0.3, steps=steps, step_size=0.05, weight=0.0, squeezers=SQUEEZERS
        )
        for steps in (5, 10)
    )
    both = few.success & many.success
    assert both.any()
    # the first five steps of both are the same
    assert (scores(trained.model, many.images)[both] <= scores(trained.model, few.images)[both] + 1e-5).all()


def test_an_image_does_not_depend_on_its_batch(trained):
    images, labels = trained.images[:COUNT], trained.labels[:COUNT]
    made = pgd_undetected(trained.model, images, labels, epsilon=0.1, steps=4, squeezers=SQUEEZERS)
    halves = [
        pgd_undetected(trained.model, images[rows], labels[rows], epsilon=0.1, steps=4, squeezers=SQUEEZERS)
        for rows in (slice(0, 15), slice(15, COUNT))
    ]
    assert torch.equal(made.success, torch.cat([half.success for half in halves]))
    near = (made.images - torch.cat([half.images for half in halves])).flatten(1).abs().amax(1) < 1e-4
    assert near.float().mean() > 0.9  # the sign of a gradient near 0 depends on rounding


def test_several_epsilons_equal_separate_runs_and_passes_are_counted(trained):
    images, labels = trained.images[:10], trained.labels[:10]
    right = trained.model(images).argmax(1) == labels
    swept = pgd_undetected(trained.model, images, labels, epsilon=[1e-6, 0.3], steps=3, restarts=2, squeezers=SQUEEZERS)
    assert swept.images.shape == (2, 10, 1, 28, 28)
    assert (swept.gradient_evaluations[0][right] == 6).all()
    assert (swept.gradient_evaluations[1] >= 6).all()
    assert (swept.gradient_evaluations[1] <= 18).all()


def test_the_model_is_not_changed():
    model = random_affine(0)
    model.train()
    images = torch.rand(4, 1, 4, 4)
    pgd_undetected(model, images, torch.zeros(4, dtype=torch.int64), epsilon=0.1, steps=2, squeezers=SQUEEZERS)
    assert model.training
    assert model.weight.requires_grad


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"norm": "l1"}, "norm"),
        ({"steps": 0}, "steps"),
        ({"weight": -1.0}, "weight"),
        ({"squeezers": []}, "squeezers"),
        ({"epsilon": []}, "epsilon"),
    ],
)
def test_parameters_out_of_range_are_rejected(change, word):
    parameters = {"epsilon": 0.1, "squeezers": SQUEEZERS} | change
    with pytest.raises(InvalidInput, match=word):
        pgd_undetected(random_affine(0), torch.rand(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), **parameters)


def test_the_gradient_of_a_squeezer_does_not_depend_on_the_batch(trained, tmp_path):
    """The squeezer has a gradient on some images only. Alone, each image would decide for itself."""
    code = "import torch\ndef half_rounded(x):\n    return torch.where(x[:, :, :1, :1] > 0.5, x, (3 * x).round() / 3)\n"
    (tmp_path / "squeezer.py").write_text(code)
    images, labels = trained.images[:8].clone(), trained.labels[:8]
    images[:, 0, 0, 0] = torch.tensor([0.0, 1.0]).repeat(4)
    model = ImageByImage(trained.model)

    def attacked(rows):
        squeezers = [{"python": f"{tmp_path / 'squeezer.py'}:half_rounded"}]
        return pgd_undetected(model, images[rows], labels[rows], epsilon=0.3, steps=8, squeezers=squeezers).images

    together = attacked(slice(None))
    for row in range(8):
        assert torch.equal(attacked(slice(row, row + 1))[0], together[row])
