"""Warp images by a flow field, and measure the flow loss (stAdv: Xiao et al. 2018, arXiv 1801.02612)."""

import torch
from torch import Tensor


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Replace each pixel p by the bilinear sample of the image at p + flow(p) (equation 1 of the paper).

    images: (N, C, H, W).  flow: (N, 2, H, W), in pixels; flow[:, 0] down the rows, flow[:, 1] along the columns.
    Beyond the border, the border pixel is repeated. Zero flow returns the images exactly.
    """
    _, channels, height, width = images.shape
    rows = torch.arange(height, device=images.device, dtype=flow.dtype).view(1, -1, 1) + flow[:, 0]
    columns = torch.arange(width, device=images.device, dtype=flow.dtype).view(1, 1, -1) + flow[:, 1]
    top, down = _split(rows, height)
    left, along = _split(columns, width)
    flat = images.flatten(2)

    def pixels(row: Tensor, column: Tensor) -> Tensor:
        places = (row * width + column).flatten(1).unsqueeze(1).expand(-1, channels, -1)
        return flat.gather(2, places).view_as(images)

    below, right = (top + 1).clamp_max(height - 1), (left + 1).clamp_max(width - 1)
    down, along = down.unsqueeze(1), along.unsqueeze(1)
    upper = torch.lerp(pixels(top, left), pixels(top, right), along)
    lower = torch.lerp(pixels(below, left), pixels(below, right), along)
    return torch.lerp(upper, lower, down)


def _split(places: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Clamp coordinates to the image and split them into an integer index and a fraction."""
    clamped = places.clamp(0, size - 1)
    whole = clamped.detach().floor().clamp_max(max(size - 2, 0))
    return whole.long(), clamped - whole


def flow_loss(flow: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the sum of sqrt(|du_p - du_q|^2 + |dv_p - dv_q|^2) over all pixels p and their 4 neighbours q: (N,).

    This is equation 4 of the paper, read literally: each pair of neighbours counts twice.

    flow: (N, 2, H, W), in pixels.
    smoothing: s in sqrt(d^2 + s^2) - s, in pixels. At 0, the root has no gradient where neighbours move together.
    """
    total = torch.zeros(len(flow), dtype=torch.float64, device=flow.device)
    for axis in (2, 3):
        squares = flow.diff(dim=axis).square().sum(1)
        if smoothing:
            roots = (squares + smoothing**2).sqrt() - smoothing
        else:
            moved = squares > 0  # where the root has no gradient, use 0 instead of NaN
            roots = torch.where(moved, squares.where(moved, 1.0).sqrt(), 0.0)
        total = total + 2 * roots.flatten(1).sum(1, dtype=torch.float64)
    return total


def shift(flow: Tensor) -> Tensor:
    """Return the mean displacement of all pixels, in pixels: (N, 2). The flow loss does not depend on it.

    flow: (N, 2, H, W), in pixels.
    """
    return flow.mean((2, 3))


def sizes(flow: Tensor) -> dict[str, Tensor]:
    """Return how large each flow is, by name, each float64 (N,).

    flow_loss: see `flow_loss`, without smoothing.
    displacement: of the pixel that moves farthest, in pixels.
    shift: the length of the mean displacement, in pixels.
    deformation: of the pixel that moves farthest from the mean displacement, in pixels.
    flow: (N, 2, H, W), in pixels.
    """
    common = shift(flow)
    return {
        "flow_loss": flow_loss(flow),
        "displacement": _farthest(flow),
        "shift": common.double().norm(dim=1),
        "deformation": _farthest(flow - common[:, :, None, None]),
    }


def _farthest(flow: Tensor) -> Tensor:
    return flow.double().norm(dim=1).flatten(1).amax(1)
