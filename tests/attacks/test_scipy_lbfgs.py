import numpy as np
import pytest
from scipy.optimize import fmin_l_bfgs_b

from foolflow.attacks.scipy_lbfgs import minimise_each


def valleys(points, rows):
    """Give each problem a different curved valley, with the minimum 0 at 1."""
    bend = 1.0 + np.asarray(rows)[:, None]
    gap = points[:, 1:] - points[:, :-1] ** 2
    rest = 1 - points[:, :-1]
    gradients = np.zeros_like(points)
    gradients[:, 1:] += 2 * bend * gap
    gradients[:, :-1] += -4 * bend * gap * points[:, :-1] - 2 * rest
    return (bend * gap**2 + rest**2).sum(1), gradients


@pytest.mark.parametrize("options", [{}, {"maxfun": 5}, {"factr": 1e10, "pgtol": 1e-3}])
def test_each_problem_takes_the_same_path_as_when_it_runs_alone(options):
    start = np.random.default_rng(0).normal(size=(7, 4))
    ends = minimise_each(valleys, start, **options)
    for row, point in enumerate(start):

        def alone(x, row=row):
            values, gradients = valleys(x[None], [row])
            return values[0], gradients[0]

        found, _, report = fmin_l_bfgs_b(alone, point, **options)
        assert np.array_equal(ends.points[row], found)
        assert ends.evaluations[row] == report["funcalls"]
        assert ends.converged[row] == (report["warnflag"] == 0)


def test_running_problems_are_evaluated_together():
    sizes = []

    def counted(points, rows):
        sizes.append(len(rows))
        assert list(rows) == sorted(rows)
        return valleys(points, rows)

    ends = minimise_each(counted, np.random.default_rng(1).normal(size=(6, 3)))
    assert sizes[0] == 6
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == ends.evaluations.sum()
    assert len(sizes) == ends.evaluations.max()


def test_an_error_of_the_objective_is_raised():
    def broken(points, rows):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        minimise_each(broken, np.zeros((3, 2)))


def test_no_problems_are_accepted():
    ends = minimise_each(valleys, np.zeros((0, 4)))
    assert ends.points.shape == (0, 4)
    assert ends.converged.shape == ends.evaluations.shape == (0,)
