import pytest
import torch

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


@pytest.mark.parametrize(("height", "width"), [(4, 5), (5, 3), (1, 6), (6, 1), (1, 1)])
def test_solutions_equal_those_of_the_dense_matrix(height, width):
    generator = torch.Generator().manual_seed(0)
    down = torch.rand(3, height - 1, width, generator=generator, dtype=torch.float64) * 50
    along = torch.rand(3, height, width - 1, generator=generator, dtype=torch.float64) * 50
    right = torch.randn(3, 4, height, width, generator=generator, dtype=torch.float64)
    solved = Lattice(down, along, 0.5).solve(right)
    for image in range(3):
        expected = torch.linalg.solve(dense(down[image], along[image], 0.5), right[image].flatten(1).T).T
        assert torch.allclose(solved[image].flatten(1), expected)


def test_the_quadratic_form_of_stiffness_has_the_gradient_of_the_flow_loss():
    flow = torch.randn(2, 2, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(flow_loss(flow, 0.05).sum(), flow)
    down, along = stiffness(flow.detach(), 0.05)
    for image in range(2):
        for part in range(2):
            found = dense(down[image], along[image], 0.0) @ flow.detach()[image, part].flatten()
            assert torch.allclose(found, expected[image, part].flatten())


def test_float32_is_precise_enough_where_neighbours_move_together():
    """Use the stiffest lattice: zero flow and a small smoothing."""
    right = torch.randn(2, 2, 28, 28, generator=torch.Generator().manual_seed(2))
    down, along = stiffness(torch.zeros(2, 2, 28, 28), 0.01)
    exact = Lattice(down.double(), along.double(), 1.0).solve(right.double())
    assert (Lattice(down, along, 1.0).solve(right) - exact).abs().max() < 1e-3 * exact.abs().max()
