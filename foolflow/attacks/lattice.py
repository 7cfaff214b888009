"""Linear systems on the lattice of an image's pixels, for many images at once."""

from collections.abc import Callable

import torch
from torch import Tensor

UNIFORM = 3.0  # weight of the uniform lattice, in geometric means of the actual weights; larger moves more pixels at once


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
        count, height, width = len(along), along.shape[1], down.shape[2]
        self._down, self._along, self._damping = (down[:, None, None], along[:, None, None], damping)
        logarithms = down.log().sum((1, 2)) + along.log().sum((1, 2))
        mean = (logarithms / max(down[0].numel() + along[0].numel(), 1)).exp() if count else logarithms
        frequencies = [
            2 - 2 * torch.cos(2 * torch.pi * torch.arange(kept, device=down.device, dtype=down.dtype) / size)
            for size, kept in ((height, height), (width, width // 2 + 1))
        ]
        self._spectrum = 1 / (UNIFORM * mean.view(-1, 1, 1, 1, 1) * (frequencies[0][:, None] + frequencies[1]) + damping)

    def forces(self, fields: Tensor) -> Tensor:
        """Return K times each field. fields: (N, S, 2, H, W). Returns the same shape."""
        product = torch.zeros_like(fields)
        pull = self._down * fields.diff(dim=3)
        product[..., :-1, :] -= pull
        product[..., 1:, :] += pull
        pull = self._along * fields.diff(dim=4)
        product[..., :-1] -= pull
        product[..., 1:] += pull
        return product

    def solve(
        self,
        right: Tensor,
        start: Tensor,
        iterations: int,
        project: Callable[[Tensor], Tensor] = lambda fields: fields,
    ) -> Tensor:
        """Improve approximate solutions for S right-hand sides that share the matrix.

        right, start: (N, S, 2, H, W).  iterations: of conjugate gradients.
        project: an orthogonal projection. The solution differs from `start` by a field that it leaves unchanged, and
            minimises the quadratic form among these.
        Returns the same shape.
        """
        solution = start
        residual = project(right - self.forces(start) - self._damping * start)
        direction, before = None, None
        for iteration in range(iterations):
            if iteration:
                residual = residual - step * product
            smooth = project(self._precondition(residual))
            size = _dot(residual, smooth)
            direction = smooth if iteration == 0 else smooth + size / before.clamp_min(TINY) * direction
            product = project(self.forces(direction) + self._damping * direction)
            step = size / _dot(direction, product).clamp_min(TINY)
            solution = solution + step * direction
            before = size
        return solution

    def _precondition(self, fields: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(fields) * self._spectrum, s=fields.shape[-2:])


TINY = 1e-30  # a solved system has no residual, and no step is left


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """Return the inner product of each pair of fields: (N, S, 1, 1, 1)."""
    return (one * other).sum((2, 3, 4), keepdim=True)
