import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from foolflow.attacks.corrupt import corrupt
from foolflow.attacks.kinds import NOISES, STRENGTHS
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


def test_a_draw_whose_logits_are_not_finite_is_no_success(trained):
    class Overflowing(nn.Module):
        """Not finite on the first change of an image that it gets."""

        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, images):
            self.calls += 1
            logits = trained.model(images)
            return logits * float("nan") if self.calls == 2 else logits

    images, labels = trained.images[:100], trained.labels[:100]
    usual = corrupt(trained.model, images, labels, epsilon=0.4, draws=10)
    made = corrupt(Overflowing(), images, labels, epsilon=0.4, draws=10)
    assert made.iterations[labels != 0].max() == 10
    assert made.success.sum() > 0.5 * usual.success.sum()


STRENGTH = {
    "rotation": 30.0,
    "translation": 5.0,
    "scale": 0.4,
    "crop": 0.5,
    "stretch": 0.6,
    "blur": 1.5,
    "contrast": 0.1,
    "jpeg": 5,
}


@pytest.mark.parametrize("kind", STRENGTHS)
def test_each_kind_fools_some_images_and_leaves_misclassified_ones_unchanged(trained, kind):
    images, labels = trained.images[:60], trained.labels[:60].clone()
    labels[:5] = (labels[:5] + 1) % 10
    made = corrupt(NoGradient(trained.model), images, labels, kind=kind, strength=STRENGTH[kind])
    wrong = trained.model(images).argmax(1) != labels
    assert torch.equal(made.images[wrong], images[wrong])
    assert (made.images[~wrong] != images[~wrong]).flatten(1).any(1).all()
    assert made.success[wrong].all()
    assert made.success[~wrong].any() or kind in ("contrast", "jpeg", "blur")
    assert made.iterations.tolist() == (~wrong).long().tolist()
    assert made.details["strength"].tolist() == [STRENGTH[kind]] * 60
    assert 0 <= made.images.min() <= made.images.max() <= 1


NOTHING = {kind: {"epsilon": 0} for kind in NOISES}
NOTHING |= {kind: {"strength": scale.identity} for kind, scale in STRENGTHS.items() if scale.identity is not None}


@pytest.mark.parametrize("kind", NOTHING)
def test_the_size_that_changes_nothing_changes_nothing(trained, kind):
    images, labels = trained.images[:10], trained.labels[:10]
    made = corrupt(trained.model, images, labels, kind=kind, **NOTHING[kind])
    assert torch.equal(made.images, images)


def test_several_strengths_equal_separate_runs(trained):
    images, labels = trained.images[:20], trained.labels[:20]
    strengths = [5.0, 30.0]
    together = corrupt(trained.model, images, labels, kind="rotation", strength=strengths, draws=2)
    assert together.images.shape == (2, *images.shape)
    assert together.details["strength"].shape == (2, 20)
    for rank, strength in enumerate(strengths):
        alone = corrupt(trained.model, images, labels, kind="rotation", strength=strength, draws=2)
        assert torch.equal(together.images[rank], alone.images)
        assert torch.equal(together.success[rank], alone.success)


def test_the_worst_of_many_rotations_up_to_an_angle_is_worse_than_one_rotation(trained):
    images, labels = trained.images[:100], trained.labels[:100]
    once, often = (
        corrupt(trained.model, images, labels, kind="rotation", strength=30, draws=draws, up_to=True)
        for draws in (1, 10)
    )
    assert once.success.sum() < often.success.sum()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "fog"}, "kind: 'fog' is not one of noise, sign_noise"),
        ({"norm": "l1"}, "norm: 'l1' is not linf or l2"),
        ({"draws": 0}, "draws: 0 is not at least 1"),
        ({"epsilon": -1}, "epsilon: -1"),
        ({"epsilon": None}, "epsilon: missing; noise needs it"),
        ({"strength": 3}, "strength: noise has none; its size is its epsilon"),
        ({"kind": "rotation"}, "epsilon: rotation has none; its size is its strength"),
        ({"kind": "rotation", "epsilon": None}, "strength: missing; rotation needs it"),
        ({"kind": "rotation", "epsilon": None, "strength": 181}, "degrees, from 0 to 180"),
        ({"kind": "rotation", "epsilon": None, "strength": [5, -5]}, "strength: -5 is out of range for rotation"),
        ({"kind": "rotation", "epsilon": None, "strength": []}, "strength: [] is an empty list"),
        ({"kind": "rotation", "epsilon": None, "strength": [5, 5]}, "strength: [5, 5] repeats a number"),
        ({"kind": "blur", "epsilon": None, "strength": float("inf")}, "strength: inf is out of range"),
        ({"kind": "jpeg", "epsilon": None, "strength": 0}, "quality, from 1 to 100"),
        ({"kind": "jpeg", "epsilon": None, "strength": 50.5}, "strength: 50.5 is not a whole number"),
        ({"kind": "jpeg", "epsilon": None, "strength": 50, "draws": 2}, "draws: jpeg draws no random numbers"),
        (
            {"kind": "blur", "epsilon": None, "strength": 1, "up_to": True},
            "translation, scale, stretch, not for blur",
        ),
        ({"up_to": True}, "up_to: only for rotation, translation, scale, stretch"),
    ],
)
def test_parameters_out_of_range_are_rejected(trained, wrong, words):
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        corrupt(trained.model, trained.images[:2], trained.labels[:2], **{"epsilon": 0.1} | wrong)
    assert words in str(caught.value)


def test_jpeg_rejects_images_that_no_encoder_takes():
    network = nn.Sequential(nn.Flatten(), nn.Linear(32, 2))
    with pytest.raises(InvalidInput, match="jpeg: images have 2 channels; 1 or 3 are needed"):
        corrupt(network, torch.rand(1, 2, 4, 4), torch.tensor([0]), kind="jpeg", strength=50)


def test_signs_are_fair_and_directions_have_no_preference():
    images = torch.full((400, 1, 4, 4), 0.5) + torch.arange(400).view(-1, 1, 1, 1) * 1e-4
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    labels = network(images).argmax(1)
    signs = corrupt(network, images, labels, epsilon=0.1).images > images
    assert binomtest(int(signs.sum()), signs.numel()).pvalue > 0.001
    steps = corrupt(network, images, labels, epsilon=0.1, norm="l2").images - images
    assert steps.flatten(1).mean(0).abs().max() < 0.01  # 0.1 / 4 in each pixel, of either sign
