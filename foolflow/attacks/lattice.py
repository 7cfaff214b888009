"""Linear systems on the lattice of an image's pixels, for many images at once."""

from collections.abc import Callable

import torch
from torch import Tensor

UNIFORM = (
    3.0  # weight of the uniform lattice, in geometric means of the actual weights; larger moves more pixels at once
)


def stiffness(flow: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Return weights w such that 1/2 sum w |f_p - f_q|^2 over neighbours has, at `flow`, the gradient of the flow loss.

    flow: (N, 2, H, W), in pixels.  smoothing: of the flow loss, above 0.
    Returns weights between rows (N, H - 1, W) and between columns (N, H, W - 1).
    """
    down, along = (2 * (flow.diff(dim=axis).square().sum(1) + smoothing**2).rsqrt() for axis in (2, 3))
    return down, along


class Lattice:
    """The matrix K + damping * I, where K is the graph Laplacian of the pixels with the weights of `stiffness`.

    Systems are solved by conjugate gradients (Nocedal and Wright 2006, algorithm 5.3). The preconditioner is the matrix
    of a uniform, periodic lattice, which the fast Fourier transform inverts, so an iteration on an image of P pixels
    takes a time in proportion to P log P.
    """

    def __init__(self, down: Tensor, along: Tensor, damping: float) -> None:
        """Prepare the preconditioner.

        down: (N, H - 1, W).  along: (N, H, W - 1).  damping: above 0, because K is singular: shifting
            all pixels equally costs nothing.
        """
        height, width = along.shape[1], down.shape[2]
        self._down, self._along, self._damping = down[:, None], along[:, None], damping
        logarithms = down.log().sum((1, 2)) + along.log().sum((1, 2))
        edges = (height - 1) * width + height * (width - 1)
        weight = UNIFORM * (logarithms / max(edges, 1)).exp()
        frequencies = [
            2 - 2 * torch.cos(2 * torch.pi * torch.arange(kept, device=down.device, dtype=down.dtype) / size)
            for size, kept in ((height, height), (width, width // 2 + 1))
        ]
        self._inverse = 1 / (weight.view(-1, 1, 1, 1) * (frequencies[0][:, None] + frequencies[1]) + damping)

    def stretch(self, fields: Tensor) -> Tensor:
        """Return K times each field: (N, 2, H, W), the gradient of the flow loss at the flow of `stiffness`."""
        return self._add_stretch(torch.zeros_like(fields), fields)

    def solve(
        self,
        right: Tensor,
        start: Tensor | None,
        iterations: int,
        project: Callable[[Tensor], Tensor] = lambda fields: fields,
    ) -> Tensor:
        """Improve approximate solutions, one system for each image.

        right: (N, 2, H, W).  start: the same shape; None: zero.  iterations: of conjugate gradients.
        project: an orthogonal projection of fields (N, 2, H, W). The solution differs from `start` by a field that it
            leaves unchanged, and minimises the quadratic form among these.
        """
        residual = project(right if start is None else right - self._product(start))
        solution = torch.zeros_like(right) if start is None else start
        direction, before = torch.zeros_like(right), right.new_ones(1)
        for _ in range(iterations):
            smooth = project(self._precondition(residual))
            size = _dot(residual, smooth)
            direction = smooth + size / before * direction
            product = project(self._product(direction))
            step = size / _dot(direction, product).clamp_min(TINY)
            solution, residual = solution + step * direction, residual - step * product
            before = size.clamp_min(TINY)
        return solution

    def _product(self, fields: Tensor) -> Tensor:
        return self._add_stretch(self._damping * fields, fields)

    def _add_stretch(self, total: Tensor, fields: Tensor) -> Tensor:
        for weights, axis in ((self._down, 2), (self._along, 3)):
            steps, last = fields.diff(dim=axis), fields.shape[axis] - 1
            total.narrow(axis, 0, last).addcmul_(weights, steps, value=-1)
            total.narrow(axis, 1, last).addcmul_(weights, steps)
        return total

    def _precondition(self, fields: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(fields) * self._inverse, s=fields.shape[-2:])


TINY = 1e-30  # a solved system has no residual, and no step is left


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """Return the inner product of each pair of fields: (N, 1, 1, 1)."""
    return (one * other).sum((1, 2, 3), keepdim=True)
