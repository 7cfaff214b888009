from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foolflow.attacks.lattice import Lattice, stiffness
from foolflow.attacks.warp import flow_loss


def dense(down, along, damping):
    """Build the matrix of one image entry by entry."""
    height, width = along.shape[0], down.shape[1]
    matrix = damping * torch.eye(height * width, dtype=down.dtype)
    edges = [
        *(((r, c), (r + 1, c), down[r, c]) for r in range(height - 1) for c in range(width)),
        *(((r, c), (r, c + 1), along[r, c]) for r in range(height) for c in range(width - 1)),
    ]
    for one, other, weight in edges:
        i, j = (row * width + column for row, column in (one, other))
        matrix[i, i] += weight
        matrix[j, j] += weight
        matrix[i, j] -= weight
        matrix[j, i] -= weight
    return matrix


def weights(count, height, width, seed, largest=50.0):
    generator = torch.Generator().manual_seed(seed)
    down = torch.rand(count, height - 1, width, generator=generator, dtype=torch.float64) * largest + 0.5
    along = torch.rand(count, height, width - 1, generator=generator, dtype=torch.float64) * largest + 0.5
    return down, along, torch.randn(count, 2, height, width, generator=generator, dtype=torch.float64)


@given(height=st.integers(1, 7), width=st.integers(1, 7), seed=st.integers(0, 10**6), damping=st.floats(0.1, 10))
@settings(max_examples=40)
def test_solutions_equal_those_of_the_dense_matrix(height, width, seed, damping):
    down, along, right = weights(2, height, width, seed)
    solved = Lattice(down, along, damping).solve(right, None, iterations=120)
    for image in range(2):
        expected = torch.linalg.solve(dense(down[image], along[image], damping), right[image].flatten(1).T).T
        assert torch.allclose(solved[image].flatten(1), expected, atol=1e-6)


@given(height=st.integers(1, 6), width=st.integers(1, 6), seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_each_iteration_lowers_the_quadratic_form_from_any_start(height, width, seed):
    down, along, right = weights(1, height, width, seed)
    matrix, lattice = dense(down[0], along[0], 1.0), Lattice(down, along, 1.0)
    start = torch.randn(right.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def form(fields):
        points = fields[0].flatten(1).T
        return (0.5 * points * (matrix @ points) - points * right[0].flatten(1).T).sum().item()

    values = [form(lattice.solve(right, start, iterations)) for iterations in range(5)]
    assert values[0] == pytest.approx(form(start))
    assert all(after <= before + 1e-9 for before, after in pairwise(values))


def test_a_constant_field_needs_one_iteration():
    """Constant fields are not stretched, and the preconditioner is exact for them."""
    down, along = torch.full((1, 4, 6), 3.0), torch.full((1, 5, 5), 3.0)
    right = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 5, 6)
    assert torch.allclose(Lattice(down, along, 0.5).solve(right, None, 1), right / 0.5, atol=1e-5)


def test_a_projected_solution_is_the_minimum_in_the_subspace():
    down, along, right = weights(1, 4, 5, seed=3)
    free = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64) < 0.6
    solved = Lattice(down, along, 1.0).solve(right, None, 100, lambda fields: fields * free)
    assert (solved * ~free == 0).all()
    kept = free.flatten()
    matrix = dense(down[0], along[0], 1.0)[kept][:, kept]
    for part in range(2):
        expected = torch.linalg.solve(matrix, right[0, part].flatten()[kept])
        assert torch.allclose(solved[0, part].flatten()[kept], expected)


def test_the_quadratic_form_of_stiffness_has_the_gradient_of_the_flow_loss():
    flow = torch.randn(2, 2, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(flow_loss(flow, 0.05).sum(), flow)
    down, along = stiffness(flow.detach(), 0.05)
    for image in range(2):
        for part in range(2):
            found = dense(down[image], along[image], 0.0) @ flow.detach()[image, part].flatten()
            assert torch.allclose(found, expected[image, part].flatten())
    assert torch.allclose(Lattice(down, along, 1.0).stretch(flow.detach()), expected)


def test_float32_converges_where_neighbours_move_together():
    """Use the stiffest lattice: zero flow and a small smoothing."""
    right = torch.randn(2, 2, 28, 28, generator=torch.Generator().manual_seed(2))
    down, along = stiffness(torch.zeros(2, 2, 28, 28), 0.01)
    exact = torch.linalg.solve(dense(down[0].double(), along[0].double(), 1.0), right[0].flatten(1).double().T).T
    found = Lattice(down, along, 1.0).solve(right, None, 40)[0].flatten(1)
    assert (found - exact).abs().max() < 1e-3 * exact.abs().max()
