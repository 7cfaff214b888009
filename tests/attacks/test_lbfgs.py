import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from foolflow.attacks.lbfgs import minimise


def quadratics(count=20, size=12, seed=0):
    """Return convex problems with condition numbers up to 1,000, and their minima."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(count, size, size, generator=generator))[0]
    spectrum = 10 ** (3 * torch.rand(count, size, generator=generator))
    matrices = basis @ torch.diag_embed(spectrum) @ basis.mT
    minima = torch.randn(count, size, generator=generator)

    def objective(points, rows):
        offset = points - minima[rows]
        gradients = (matrices[rows] @ offset[:, :, None])[:, :, 0]
        return 0.5 * (offset * gradients).sum(1).double(), gradients

    return objective, minima


def test_convex_problems_reach_their_minima():
    objective, minima = quadratics()
    found = minimise(objective, torch.zeros(20, 12), max_evaluations=500, value_tolerance=0, gradient_tolerance=1e-3)
    assert (found.points - minima).abs().max() < 1e-2
    assert (found.values < 1e-3).all()
    assert (found.evaluations < 200).all()


def test_problems_are_independent():
    objective, _ = quadratics()
    together = minimise(objective, torch.zeros(20, 12), max_evaluations=60)
    for row in (0, 7, 19):

        def alone(points, rows, row=row):
            return objective(points, rows + row)

        single = minimise(alone, torch.zeros(1, 12), max_evaluations=60)
        assert torch.allclose(single.points[0], together.points[row], atol=1e-3)
        assert single.evaluations[0] == together.evaluations[row]


def rosenbrock(points, rows):
    with torch.enable_grad():
        inputs = points.detach().requires_grad_()
        values = (100 * (inputs[:, 1:] - inputs[:, :-1] ** 2) ** 2 + (1 - inputs[:, :-1]) ** 2).sum(1)
        (gradients,) = torch.autograd.grad(values.sum(), inputs)
    return values.detach().double(), gradients


def test_comparison_with_scipy_on_a_curved_valley():
    generator = torch.Generator().manual_seed(1)
    start = (torch.randn(30, 6, generator=generator) * 0.5).double()
    ours = minimise(rosenbrock, start, max_evaluations=1000, value_tolerance=1e-12, gradient_tolerance=1e-6)
    theirs = []
    for point in start:

        def value(x):
            v, g = rosenbrock(torch.from_numpy(np.asarray(x))[None], None)
            return v.item(), g[0].numpy()

        theirs.append(
            minimize(value, point.numpy(), jac=True, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-6})
        )
    assert sorted(ours.values.tolist()) == pytest.approx(sorted(found.fun for found in theirs), abs=1e-6)
    assert ours.evaluations.double().mean() < 1.5 * np.mean([found.nfev for found in theirs])


def test_values_never_rise_and_the_limit_holds():
    objective, _ = quadratics()
    start = torch.zeros(20, 12)
    before, _ = objective(start, torch.arange(20))
    last = before
    for limit in (1, 2, 5, 20):
        found = minimise(objective, start, max_evaluations=limit)
        assert (found.evaluations <= limit).all()
        assert (found.values <= last + 1e-9).all()
        assert torch.allclose(objective(found.points, torch.arange(20))[0], found.values)
        last = found.values


def test_a_flat_problem_stays_at_its_start():
    found = minimise(
        lambda points, rows: (points.sum(1).double() * 0, points * 0), torch.ones(3, 4), max_evaluations=50
    )
    assert torch.equal(found.points, torch.ones(3, 4))
    assert (found.evaluations == 1).all()


def test_the_line_search_gives_up_at_a_kink():
    """The gradient of |x| never vanishes."""
    found = minimise(
        lambda points, rows: (points.abs().sum(1).double(), points.sign()), torch.full((4, 3), 0.3), max_evaluations=500
    )
    assert (found.values < 0.9).all()
    assert found.points.isfinite().all()
