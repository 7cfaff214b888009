import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foolflow.attacks.bounds import Bounds
from foolflow.attacks.warp import sizes


def flows(seed, size, height=5, width=4):
    return size * torch.randn(3, 2, height, width, generator=torch.Generator().manual_seed(seed))


@given(
    seed=st.integers(0, 10**6),
    size=st.floats(0, 100),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    farthest=st.one_of(st.none(), st.floats(0.01, 10)),
    allow_shift=st.booleans(),
)
@settings(max_examples=60)
def test_constrained_flows_are_within_the_bounds(seed, size, height, width, farthest, allow_shift):
    found = sizes(Bounds(farthest, allow_shift).constrain(flows(seed, size, height, width)))
    if farthest is not None:
        assert (found["displacement"] <= farthest).all()
    if not allow_shift:
        assert (found["shift"] <= 1e-5 * max(size, 1)).all()


@pytest.mark.parametrize("bounds", [Bounds(), Bounds(2.0), Bounds(None, False), Bounds(2.0, False)])
def test_permitted_flows_stay_as_they_are(bounds):
    permitted = flows(0, 0.1)
    permitted = permitted - permitted.mean((2, 3), keepdim=True)
    assert torch.allclose(bounds.constrain(permitted), permitted, atol=1e-6)


def test_a_pixel_that_moves_too_far_keeps_its_direction():
    flow = torch.zeros(1, 2, 2, 2)
    flow[0, :, 0, 1] = torch.tensor([3.0, 4.0])
    expected = torch.zeros_like(flow)
    expected[0, :, 0, 1] = torch.tensor([0.6, 0.8])
    assert torch.allclose(Bounds(1.0).constrain(flow), expected, atol=1e-5)


def test_a_pixel_at_the_bound_that_is_pulled_outwards_moves_along_it():
    flow, forces = torch.zeros(1, 2, 1, 3), torch.zeros(1, 2, 1, 3)
    flow[0, 0] = torch.tensor([1.0, 1.0, 0.5])  # the third is free
    forces[0, 0] = torch.tensor([1.0, -1.0, 1.0])  # the second is pulled inwards
    bounds = Bounds(1.0)
    moved = bounds.tangent(bounds.constrain(flow), forces)(torch.ones(1, 2, 1, 3))
    assert torch.allclose(moved[0, 0, 0], torch.tensor([0.0, 1.0, 1.0]), atol=1e-5)
    assert torch.equal(moved[0, 1, 0], torch.ones(3))


def test_gradients_equal_finite_differences():
    flow = flows(4, 1.0).double().requires_grad_()
    for bounds in (Bounds(0.8), Bounds(0.8, False), Bounds(None, False)):
        assert torch.autograd.gradcheck(bounds.constrain, flow)
