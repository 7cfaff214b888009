import pytest
import torch

from foolflow.attacks.judging import rounded
from foolflow.attacks.levels import to_levels
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


def test_it_fools_images_undetected_where_pgd_is_detected(trained):
    images, labels = trained.images[:COUNT], trained.labels[:COUNT]
    threshold = scores(trained.model, trained.images[100:300]).quantile(0.95)
    plain = pgd(trained.model, images, labels, epsilon=0.3, steps=15)
    adaptive = pgd_undetected(trained.model, images, labels, epsilon=0.3, steps=15, squeezers=SQUEEZERS)
    assert adaptive.success.sum() >= plain.success.sum() - 2
    plain_detected, detected = ((scores(trained.model, made.images) > threshold) for made in (plain, adaptive))
    assert (adaptive.success & ~detected).sum() > (plain.success & ~plain_detected).sum() + 0.3 * COUNT


def test_targets_are_reached_undetected(trained):
    images, labels = trained.images[:20], trained.labels[:20]
    targets = (labels + 1) % 10
    plain = pgd(trained.model, images, labels, targets=targets, epsilon=0.35, steps=20)
    adaptive = pgd_undetected(
        trained.model, images, labels, targets=targets, epsilon=0.35, steps=20, squeezers=SQUEEZERS
    )
    assert adaptive.success.sum() >= plain.success.sum() - 2
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


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("l2", 1.5)])  # 0.1 is 25.5 levels
def test_an_image_that_counts_still_counts_after_rounding_to_8_bits(trained, norm, epsilon):
    images, labels = rounded(trained.images[:COUNT]), trained.labels[:COUNT]
    made = pgd_undetected(trained.model, images, labels, epsilon=epsilon, norm=norm, steps=5, squeezers=SQUEEZERS)
    assert torch.equal(rounded(made.images), made.images)
    assert made.success.any()


def test_rounding_stays_in_the_ball():
    centres = torch.rand(50, 3, 4, 4).mul(255).round() / 255
    for norm, epsilon, axes in (("linf", 0.3, (1, 2, 3)), ("linf", 8 / 255, (1, 2, 3)), ("l2", 0.2, None)):
        offsets = (2 * torch.rand_like(centres) - 1).sign() * (epsilon if axes else epsilon / 48**0.5)
        points = (centres + offsets).clamp(0, 1)
        levels = to_levels(points, centres, epsilon, norm)
        assert torch.equal(rounded(levels), levels)
        lengths = (levels - centres).flatten(1).norm(dim=1, p=2 if norm == "l2" else torch.inf)
        assert lengths.max() <= epsilon + 1e-5
        assert lengths.max() > 0.9 * epsilon
        assert (levels - points).abs().max() < 1.01 / 255
    # a ball between two levels has none
    between = torch.full((1, 1, 2, 2), 0.5)  # 127.5 levels
    for norm in ("linf", "l2"):
        assert torch.equal(to_levels(between + 0.0005, between, 0.001, norm), between + 0.0005)


def test_more_classes_get_no_worse(trained):
    images, labels = trained.images[:COUNT], trained.labels[:COUNT]
    one, three = (
        pgd_undetected(trained.model, images, labels, epsilon=0.3, steps=6, classes=classes, squeezers=SQUEEZERS)
        for classes in (1, 3)
    )
    assert (three.success | ~one.success).all()
    both = one.success & three.success
    assert both.any()
    # the first starts of both are the same
    lower = scores(trained.model, three.images)[both] - scores(trained.model, one.images)[both]
    assert (lower <= 1e-5).all()
    assert (lower < -1e-5).any()
    assert (three.gradient_evaluations == 3 * one.gradient_evaluations).all()


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
    swept = pgd_undetected(trained.model, images, labels, epsilon=[1e-6, 0.3], steps=3, restarts=2, squeezers=SQUEEZERS)
    assert swept.images.shape == (2, 10, 1, 28, 28)
    assert (swept.gradient_evaluations == 2 * 3 * 3).all()  # restarts, steps, the image and its two squeezed copies
    alone = pgd_undetected(trained.model, images, labels, epsilon=0.3, steps=3, restarts=2, squeezers=SQUEEZERS)
    assert torch.equal(swept.images[1], alone.images)


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
        ({"classes": 0}, "classes"),
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
