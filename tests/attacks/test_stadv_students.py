import numpy as np
import pytest
import torch
from scipy.optimize import fmin_l_bfgs_b

from foolflow.attacks.stadv_students import diagonal_flow_loss, stadv_students
from foolflow.attacks.warp import flow_loss, warp
from foolflow.errors import InvalidInput

FIXED = {"scores": "logits", "floor": -1.0, "neighbours": "four", "tau": 0.001, "returned": "best"}


@pytest.fixture(scope="module")
def case(trained):
    """Return images that the victim classifies correctly, and random other classes as targets."""
    right = trained.model(trained.images).argmax(1) == trained.labels
    images, labels = trained.images[right][:12], trained.labels[right][:12]
    offsets = torch.randint(1, 10, (12,), generator=torch.Generator().manual_seed(0))
    return trained.model, images, labels, (labels + offsets) % 10


def test_the_students_settings_almost_never_reach_the_target(case):
    model, images, labels, targets = case
    made = stadv_students(model, images, labels, targets=targets)
    assert made.success.float().mean() < 0.5
    assert torch.equal(made.predictions, model(made.images).argmax(1))


def test_with_all_fixes_it_reaches_the_targets(case):
    model, images, labels, targets = case
    made = stadv_students(model, images, labels, targets=targets, max_evaluations=150, **FIXED)
    assert made.success.float().mean() > 0.9
    assert torch.allclose(made.images, warp(images, made.details["flow"]).clamp(0, 1))
    assert torch.allclose(made.details["flow_loss"], flow_loss(made.details["flow"]))


def test_a_floor_above_0_stops_before_the_target_wins(case):
    """With probabilities, no tau and a floor of 0.5, converged images have a loss at the floor, or no gradient."""
    model, images, labels, targets = case
    made = stadv_students(model, images, labels, targets=targets, returned="last")
    scores = model(made.images).softmax(1)
    gap = scores.scatter(1, targets[:, None], 0).amax(1) - scores.gather(1, targets[:, None])[:, 0]
    assert ((gap <= 0.5) | (made.gradient_evaluations < 30)).all()


def test_unconverged_runs_are_discarded(case):
    model, images, labels, targets = case
    options = {"targets": targets, "max_evaluations": 3, **FIXED}
    thrown = stadv_students(model, images, labels, **(options | {"returned": "converged"}))
    kept = stadv_students(model, images, labels, **(options | {"returned": "last"}))
    stopped = ~thrown.details["converged"]
    assert stopped.any()
    assert torch.equal(thrown.images[stopped], images[stopped])
    assert (kept.details["flow_loss"][stopped] > 0).all()


def test_the_best_iterate_wins_at_least_as_often_as_the_last(case):
    model, images, labels, targets = case
    options = {"targets": targets, "max_evaluations": 60, **FIXED, "floor": 0.0}
    best, last = (stadv_students(model, images, labels, **(options | {"returned": name})) for name in ("best", "last"))
    assert (last.success & ~best.success).sum() <= 1  # a lead within the rounding is no success of the best
    assert best.success.sum() > last.success.sum()  # at floor 0 the last iterates end on a tie


def test_an_image_takes_the_same_path_as_with_scipy(case):
    model, images, labels, targets = case
    made = stadv_students(model, images, labels, targets=targets, scores="logits", floor=0.0, returned="last")
    row = 0

    def objective(point):
        flow = torch.from_numpy(point).float().view(1, 2, 28, 28).requires_grad_()
        logits = model(warp(images[row : row + 1], flow))[0]
        others = torch.cat([logits[: targets[row]], logits[targets[row] + 1 :]])
        value = (others.max() - logits[targets[row]]).clamp_min(0)
        (gradient,) = torch.autograd.grad(value, flow)
        return value.item(), gradient.flatten().double().numpy()

    _, value, _ = fmin_l_bfgs_b(objective, np.zeros(2 * 28 * 28))
    logits = model(made.images[row : row + 1])[0]
    lead = logits[targets[row]] - torch.cat([logits[: targets[row]], logits[targets[row] + 1 :]]).max()
    assert -lead.clamp_max(0).item() == pytest.approx(value, abs=0.05)


def test_the_diagonal_flow_loss_equals_a_double_sum_with_zeros_beyond_the_border():
    flow = torch.randn(1, 2, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total = 0.0
    for row in range(4):
        for column in range(5):
            for down, along in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
                r, c = row + down, column + along
                other = flow[0, :, r, c] if 0 <= r < 4 and 0 <= c < 5 else torch.zeros(2)
                total += ((flow[0, :, row, column] - other).square().sum() + 1e-8).sqrt()
    assert diagonal_flow_loss(flow)[0] == pytest.approx(float(total))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": None}, "targets"),
        ({"scores": "loss"}, "scores"),
        ({"neighbours": "eight"}, "neighbours"),
        ({"returned": "first"}, "returned"),
        ({"tau": -1.0}, "tau"),
        ({"max_evaluations": 0}, "max_evaluations"),
        ({"targets": torch.full((12,), -1)}, "targets go from -1"),
    ],
)
def test_parameters_out_of_range_are_rejected(case, change, words):
    model, images, labels, targets = case
    with pytest.raises(InvalidInput, match=words):
        stadv_students(model, images, labels, **({"targets": targets} | change))


def test_an_empty_batch_is_accepted(case):
    empty = torch.zeros(0, dtype=torch.int64)
    assert stadv_students(case[0], torch.zeros(0, 1, 28, 28), empty, targets=empty).images.shape == (0, 1, 28, 28)
