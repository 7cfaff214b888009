import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from foolflow.attacks.bounds import Bounds
from foolflow.attacks.reweighted import reweighted
from foolflow.attacks.warp import flow_loss, sizes


def affine(count=4, size=6, seed=0):
    """Return problems that are won where normal . flow >= reach. Normals sum to 0, so no shift of all pixels wins."""
    generator = torch.Generator().manual_seed(seed)
    normals = torch.randn(count, 2, size, size, generator=generator)
    return normals - normals.mean((2, 3), keepdim=True), torch.tensor([5.0, 10.0, 20.0, 0.0])[:count]


def nobody(rows):
    return torch.zeros(len(rows), dtype=torch.bool)


def walk(largest_pull=float("inf"), steps=120, start=None, bounds=Bounds()):  # noqa: B008
    normals, reaches = affine()
    flows_tried = []

    def linearise(flows, rows, temperature):
        flows_tried.append(flows.clone())
        return reaches[rows] - (normals[rows] * flows).sum((1, 2, 3)), -normals[rows]

    start = torch.zeros_like(normals) if start is None else start
    pulls = torch.full((4,), largest_pull)
    options = {"steps": steps, "smoothing": 0.01, "bounds": bounds, "finished": nobody}
    reweighted(linearise, torch.arange(4), start, largest_pull=pulls, **options)
    return normals, reaches, torch.stack(flows_tried)


def test_it_finds_the_lowest_flow_loss_beyond_a_hyperplane():
    """Compare with scipy's SLSQP on the same convex problem."""
    normals, reaches, flows_tried = walk()
    assert len(flows_tried) == 120
    last = flows_tried[-1]
    for row in range(3):

        def loss(point):
            flow = torch.from_numpy(point).view(1, 2, 6, 6).requires_grad_()
            value = flow_loss(flow, 0.01).sum()
            return value.item(), torch.autograd.grad(value, flow)[0].flatten().numpy()

        normal, reach = normals[row].flatten().double().numpy(), reaches[row].item()
        wins = {"type": "eq", "fun": lambda x, n=normal, r=reach: n @ x - r, "jac": lambda x, n=normal: n}
        start = normal * reach / (normal @ normal)
        found = minimize(loss, start, jac=True, constraints=wins, method="SLSQP", options={"maxiter": 500})
        assert (normals[row] * last[row]).sum() == pytest.approx(reaches[row].item(), rel=0.01)
        assert flow_loss(last[row : row + 1], 0.01).item() < 1.05 * found.fun
    assert np.isfinite(flows_tried.numpy()).all()


def test_an_image_that_already_wins_does_not_move():
    _, _, flows_tried = walk()
    assert torch.equal(flows_tried[:, 3], torch.zeros_like(flows_tried[:, 3]))


def test_a_bounded_pull_does_not_win():
    """With a tau above the largest one that fools, almost nothing moves."""
    normals, reaches, flows_tried = walk(largest_pull=0.1)
    assert ((normals[:3] * flows_tried[-1, :3]).sum((1, 2, 3)) < 0.5 * reaches[:3]).all()


def test_no_pixel_moves_farther_than_the_step_allows():
    _, _, flows_tried = walk(steps=30)
    moves = flows_tried.diff(dim=0).abs().amax((2, 3, 4))
    assert (moves[0] <= 1 + 1e-6).all()
    assert (moves[-1] <= 0.05).all()


def test_problems_are_independent():
    _, _, together = walk(steps=20)
    normals, reaches = affine()
    alone = []

    def linearise(flows, rows, temperature):
        alone.append(flows.clone())
        return reaches[rows] - (normals[rows] * flows).sum((1, 2, 3)), -normals[rows]

    reweighted(
        linearise, torch.tensor([1]), torch.zeros(1, 2, 6, 6), largest_pull=torch.full((1,), torch.inf), steps=20,
        smoothing=0.01, bounds=Bounds(), finished=nobody,
    )  # fmt: skip
    assert torch.allclose(torch.stack(alone)[:, 0], together[:, 1], atol=1e-4)


def test_flows_stay_within_the_bounds_and_win_if_they_can():
    """The largest displacement that the unbounded search needs is 2.6 pixels for the first problem."""
    normals, reaches, free = walk()
    needed = sizes(free[-1])["displacement"]
    bounds = Bounds(0.6 * needed[0].item())
    _, _, flows_tried = walk(bounds=bounds)
    for flows in flows_tried:
        assert (sizes(flows)["displacement"] <= bounds.max_displacement).all()
    won = (normals[0] * flows_tried[-1, 0]).sum()
    assert won == pytest.approx(reaches[0].item(), rel=0.02)
    assert flow_loss(flows_tried[-1])[0] > flow_loss(free[-1])[0]


def test_finished_images_leave():
    normals, reaches, seen = *affine(), []

    def linearise(flows, rows, temperature):
        seen.append(rows.tolist())
        return reaches[rows] - (normals[rows] * flows).sum((1, 2, 3)), -normals[rows]

    reweighted(
        linearise, torch.arange(4), torch.zeros_like(normals), largest_pull=torch.full((4,), torch.inf), steps=5,
        smoothing=0.01, bounds=Bounds(), finished=lambda rows: rows < len(seen),
    )  # fmt: skip
    assert seen == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [3]]
