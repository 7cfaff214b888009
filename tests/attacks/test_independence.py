"""The result of an attack on an image depends on that image alone."""

import pytest
import torch

from tests.attacks.cases import CASES, ImageByImage

NAMES = [name for name, case in CASES.items() if case.independent]


@pytest.mark.parametrize(
    ("name", "targeted"),
    [(name, False) for name in NAMES if CASES[name].targets != "needed"]
    + [(name, True) for name in NAMES if CASES[name].targets],
)
def test_an_image_in_a_batch_and_alone_gives_the_same_bits(trained, name, targeted):
    """The rounding of a network depends on the batch, and a long search amplifies it. Nothing else may matter."""
    images, labels = easiest(trained, 12, targeted)
    model = ImageByImage(trained.model)

    def attacked(rows):
        return CASES[name].run(model, images[rows], labels[rows], classes=10, targeted=targeted)

    together = attacked(slice(None))
    assert together.success.any() or (targeted and "fgsm" in name)  # one step seldom reaches a target
    for row in (0, 5, 11):
        alone = attacked(slice(row, row + 1))
        for field in ("images", "success", "iterations", "gradient_evaluations"):
            assert torch.equal(getattr(alone, field)[0], getattr(together, field)[row]), field
        for detail, values in alone.details.items():
            assert torch.equal(values[0], together.details[detail][row]), detail


def easiest(trained, count, targeted):
    """The images nearest to another class, or to the one that follows theirs, whatever the machine trained."""
    with torch.no_grad():
        logits = trained.model(trained.images)
    own = logits.gather(1, trained.labels[:, None])[:, 0]
    others = logits.scatter(1, trained.labels[:, None], -torch.inf)
    rivals = logits.gather(1, (trained.labels[:, None] + 1) % 10)[:, 0] if targeted else others.amax(1)
    gaps = torch.where(own > others.amax(1), own - rivals, torch.inf)
    rows = gaps.argsort()[:count]
    return trained.images[rows], trained.labels[rows]
