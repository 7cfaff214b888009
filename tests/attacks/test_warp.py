import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import grid_sample

from foolflow.attacks.warp import flow_loss, shift, sizes, warp


def picture(seed=0, count=2, channels=3, height=7, width=9, kind=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, height, width, generator=generator, dtype=kind)


def random_flow(seed=0, count=2, height=7, width=9, size=1.0, kind=torch.float32):
    generator = torch.Generator().manual_seed(seed + 1)
    return size * torch.randn(count, 2, height, width, generator=generator, dtype=kind)


def test_zero_flow_returns_the_images_exactly():
    images = picture()
    assert torch.equal(warp(images, torch.zeros(2, 2, 7, 9)), images)


@pytest.mark.parametrize(("down", "along"), [(0, 1), (1, 0), (-2, 3), (2, -1)])
def test_a_flow_of_whole_pixels_is_a_shift(down, along):
    images = picture()
    flow = torch.zeros(2, 2, 7, 9)
    flow[:, 0], flow[:, 1] = down, along
    rows = (torch.arange(7) + down).clamp(0, 6)
    columns = (torch.arange(9) + along).clamp(0, 8)
    assert torch.equal(warp(images, flow), images[:, :, rows][:, :, :, columns])


@given(seed=st.integers(0, 10**6), size=st.floats(0, 4))
@settings(max_examples=25)
def test_equals_pytorchs_grid_sample(seed, size):
    images, flow = picture(seed, kind=torch.float64), random_flow(seed, size=size, kind=torch.float64)
    rows = torch.arange(7, dtype=torch.float64)[:, None] + flow[:, 0]
    columns = torch.arange(9, dtype=torch.float64) + flow[:, 1]
    grid = torch.stack([columns / 8 * 2 - 1, rows / 6 * 2 - 1], dim=3)
    expected = grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)
    assert torch.allclose(warp(images, flow), expected, atol=1e-9)


def test_gradients_equal_finite_differences():
    images = picture(kind=torch.float64, channels=1, height=5, width=4)
    flow = 0.3 * random_flow(3, height=5, width=4, kind=torch.float64) + 0.123
    flow.requires_grad_()
    assert torch.autograd.gradcheck(lambda f: warp(images, f), flow)
    assert torch.autograd.gradcheck(lambda f: flow_loss(f, 0.01), flow)
    assert torch.autograd.gradcheck(lambda f: flow_loss(f), flow)


@pytest.mark.parametrize("smoothing", [0.0, 0.01])
def test_the_flow_loss_equals_the_double_sum_of_the_paper(smoothing):
    flow = random_flow(5, count=1, height=4, width=5, kind=torch.float64)
    total = 0.0
    for row in range(4):
        for column in range(5):
            for down, along in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                if 0 <= row + down < 4 and 0 <= column + along < 5:
                    gap = flow[0, :, row, column] - flow[0, :, row + down, column + along]
                    total += (gap.square().sum() + smoothing**2).sqrt() - smoothing
    assert flow_loss(flow, smoothing)[0] == pytest.approx(float(total))


def test_a_uniform_shift_has_no_flow_loss_and_a_finite_gradient():
    flow = torch.full((1, 2, 6, 6), 2.5, requires_grad=True)
    for smoothing in (0.0, 0.01):
        loss = flow_loss(flow, smoothing).sum()
        (gradient,) = torch.autograd.grad(loss, flow)
        assert loss == 0
        assert torch.equal(gradient, torch.zeros_like(flow))


def test_the_sizes_of_a_shift_and_of_a_deformation():
    flow = torch.zeros(2, 2, 6, 8)
    flow[0, 0], flow[0, 1] = 3.0, -4.0
    flow[1, 1, :, :4], flow[1, 1, :, 4:] = 1.0, -2.0  # halves that move apart, beside a shift of -0.5
    assert torch.equal(shift(flow), torch.tensor([[3.0, -4.0], [0.0, -0.5]]))
    found = sizes(flow)
    assert found["displacement"].tolist() == [5, 2]
    assert found["shift"].tolist() == [5, 0.5]
    assert found["deformation"].tolist() == [0, 1.5]
    assert found["flow_loss"].tolist() == [0, 2 * 6 * 3]
