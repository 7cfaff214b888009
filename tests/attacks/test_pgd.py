import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from foolflow.attacks.fgsm import fgsm
from foolflow.attacks.pgd import pgd
from foolflow.errors import InvalidInput
from tests.conftest import random_affine


def grey(seed, count=8):
    generator = torch.Generator().manual_seed(seed)
    return 0.4 + 0.2 * torch.rand(count, 1, 4, 4, generator=generator)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@given(seed=st.integers(0, 10**6), epsilon=st.floats(0.01, 0.35))
@example(seed=909, epsilon=0.1)
@settings(max_examples=30)
def test_a_linear_model_is_fooled_exactly_within_its_margin(norm, seed, epsilon):
    """With two classes, an image can be fooled within epsilon if and only if the boundary is nearer than that."""
    model = random_affine(seed, classes=2)
    images = grey(seed)
    model.bias.data -= model(images).mean(0).detach()  # put the boundary among the images
    with torch.no_grad():
        logits = model(images)
    labels = logits.argmax(1)
    slope = model.weight.data[0] - model.weight.data[1]
    margin = (logits[:, 0] - logits[:, 1]).abs() / (slope.abs().sum() if norm == "linf" else slope.norm())
    made = pgd(model, images, labels, epsilon=epsilon, norm=norm, steps=20)
    unsure = (margin - epsilon).abs() < 1e-3 + 0.02 * epsilon  # the last iterate may fall short by 1 % of the radius
    assert torch.equal(made.success[~unsure], (margin < epsilon)[~unsure])
    offset = (made.images - images).flatten(1)
    assert (offset.norm(dim=1, p=torch.inf if norm == "linf" else 2) <= epsilon + 1e-5).all()


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("l2", 1.5)])
def test_images_stay_in_the_ball_and_in_range_and_success_is_that_of_the_model(trained, norm, epsilon):
    made = pgd(trained.model, trained.images, trained.labels, epsilon=epsilon, norm=norm, steps=10)
    lengths = (made.images - trained.images).flatten(1).norm(dim=1, p=torch.inf if norm == "linf" else 2)
    assert lengths.max() <= epsilon + 1e-5
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    assert torch.equal(made.success, trained.model(made.images).argmax(1) != trained.labels)


def test_it_fools_more_images_than_fgsm_and_restarts_fool_no_fewer(trained):
    images, labels = trained.images[:250], trained.labels[:250]
    once = fgsm(trained.model, images, labels, epsilon=0.1).success
    often = pgd(trained.model, images, labels, epsilon=0.1, steps=20).success
    restarted = pgd(trained.model, images, labels, epsilon=0.1, steps=20, restarts=3).success
    assert often.sum() > once.sum()
    assert (restarted | ~often).all()


def test_fooled_images_leave_the_batch_and_need_no_more_gradients(trained):
    images, labels = trained.images[:100], trained.labels[:100]
    made = pgd(trained.model, images, labels, epsilon=0.3, steps=30, restarts=2)
    wrong = trained.model(images).argmax(1) != labels
    assert made.success.all()
    assert (made.gradient_evaluations < 30).all()
    assert made.gradient_evaluations[~wrong].float().mean() > made.gradient_evaluations[wrong].float().mean()
    standing = pgd(trained.model, images, labels, epsilon=1e-6, steps=7, restarts=2)
    assert (standing.gradient_evaluations[~wrong] == 14).all()


def test_steps_are_counted_and_not_the_gradient_at_the_point_that_fools():
    """Two classes, dark and bright. A step covers less than the distance to the boundary, and two cover more."""
    model = random_affine(0, classes=2)
    model.weight.data = torch.tensor([[-1.0], [1.0]]).repeat(1, 16)
    model.bias.data = torch.tensor([8.0, -8.0])
    images = torch.tensor([0.8, 0.54, 0.2]).view(3, 1, 1, 1).expand(3, 1, 4, 4)
    labels = torch.tensor([0, 1, 0])  # misclassified, near the boundary, far from it
    parameters = {"epsilon": 0.08, "step_size": 0.04, "restarts": 2}
    made = pgd(model, images, labels, steps=7, **parameters)
    assert made.success.tolist() == [True, True, False]
    assert made.iterations.tolist() == [0, 2, 14]
    assert made.gradient_evaluations.tolist() == [1, 3, 14]
    whole = pgd(model, images, labels, steps=7, early_stop=False, **parameters)
    assert whole.iterations.tolist() == whole.gradient_evaluations.tolist() == [7, 7, 14]


@pytest.mark.parametrize("change", [{}, {"targeted": True}, {"norm": "l2", "epsilon": 2.0}, {"loss": "margin"}])
def test_without_an_early_stop_the_same_images_are_fooled_by_more(trained, change):
    from foolflow.attacks.base import margin

    images, labels = trained.images[:100], trained.labels[:100]
    targets = (labels + 1) % 10 if "targeted" in change else None
    parameters = {"epsilon": 0.15, "steps": 10, "restarts": 2, "targets": targets} | change
    parameters.pop("targeted", None)
    early = pgd(trained.model, images, labels, **parameters)
    whole = pgd(trained.model, images, labels, early_stop=False, **parameters)
    assert torch.equal(early.success, whole.success)
    assert 0 < whole.success.sum() < 100
    chosen, sign = (labels, 1) if targets is None else (targets, -1)
    with torch.no_grad():
        lead = [sign * margin(trained.model(made.images), chosen)[made.success] for made in (early, whole)]
    assert (lead[1].mean() > 2 * lead[0].mean()).all()
    # the sign of a gradient near 0 depends on rounding, which depends on how many images are left in the batch
    near = (early.images - whole.images)[~early.success].flatten(1).abs().amax(1) < 1e-3
    assert near.float().mean() > 0.9
    assert set(whole.gradient_evaluations.tolist()) == {10, 20}


class Waves(nn.Module):
    """Two classes that alternate along the brightness of an image, with a period of 0.2."""

    def forward(self, images):
        wave = torch.cos(10 * torch.pi * images.mean((1, 2, 3)))
        return torch.stack([wave, -wave], 1)


@pytest.mark.parametrize("steps", [7, 8])
def test_an_image_that_comes_back_keeps_the_last_point_that_fools(steps):
    """Steps of half a period change the class each time, so an odd or an even number of them ends where it began."""
    images = torch.linspace(0.42, 0.58, 9).view(9, 1, 1, 1)
    labels = Waves()(images).argmax(1)
    made = pgd(Waves(), images, labels, epsilon=0.35, steps=steps, step_size=0.1, early_stop=False)
    assert made.success.all()
    assert (Waves()(made.images).argmax(1) != labels).all()


def test_targets_are_reached(trained):
    images, labels = trained.images[:60], trained.labels[:60]
    targets = (labels + 1) % 10
    made = pgd(trained.model, images, labels, targets=targets, epsilon=0.35, steps=60)
    assert made.success.float().mean() > 0.9
    assert torch.equal(made.success, made.predictions == targets)


def test_an_image_does_not_depend_on_its_batch_or_the_order(trained):
    images, labels = trained.images[:50], trained.labels[:50]
    together = pgd(trained.model, images, labels, epsilon=0.1, steps=5, restarts=2)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    shuffled = pgd(trained.model, images[order], labels[order], epsilon=0.1, steps=5, restarts=2)
    assert torch.equal(shuffled.success, together.success[order])
    near = (shuffled.images - together.images[order]).flatten(1).abs().amax(1) < 1e-4
    assert near.float().mean() > 0.9  # the sign of a gradient near 0 depends on rounding


def test_several_epsilons_equal_separate_runs(trained):
    images, labels = trained.images[:30], trained.labels[:30]
    swept = pgd(trained.model, images, labels, epsilon=[0.05, 0.1], steps=5)
    assert torch.equal(swept.images[1], pgd(trained.model, images, labels, epsilon=0.1, steps=5).images)


def test_the_seed_determines_the_start(trained):
    images, labels = trained.images[:20], trained.labels[:20]
    first, again, other = (
        pgd(trained.model, images, labels, epsilon=0.05, steps=1, seed=seed).images for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "change", [{"norm": "l1"}, {"steps": 0}, {"restarts": 0}, {"step_size": 0.0}, {"epsilon": -1.0}, {"epsilon": []}]
)
def test_parameters_out_of_range_are_rejected(change):
    with pytest.raises(InvalidInput, match=next(iter(change))):
        pgd(random_affine(0), grey(0), torch.zeros(8, dtype=torch.int64), **({"epsilon": 0.1} | change))
