"""Linear systems on the lattice of an image's pixels, for many images at once."""

import torch
from torch import Tensor


def stiffness(flow: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Return weights w such that 1/2 sum w |f_p - f_q|^2 over neighbours has, at `flow`, the gradient of the flow loss.

    flow: (N, 2, H, W), in pixels.  smoothing: of the flow loss, above 0.
    Returns weights between rows (N, H - 1, W) and between columns (N, H, W - 1).
    """
    down, along = (2 * (flow.diff(dim=axis).square().sum(1) + smoothing**2).rsqrt() for axis in (2, 3))
    return down, along


class Lattice:
    """K + damping * I, factored, where K is the graph Laplacian of the pixels with the weights of `stiffness`.

    The matrix is block tridiagonal with one block per row of pixels. Eliminating row by row costs H inverses of (W, W)
    matrices per image.
    """

    def __init__(self, down: Tensor, along: Tensor, damping: float) -> None:
        """Factor the matrix.

        down: (N, H - 1, W).  along: (N, H, W - 1).  damping: above 0, because K is singular: shifting
            all pixels equally costs nothing.
        """
        count, height, width = len(along), along.shape[1], down.shape[2]
        diagonal = down.new_full((count, height, width), damping)
        diagonal[:, :-1] += down
        diagonal[:, 1:] += down
        diagonal[:, :, :-1] += along
        diagonal[:, :, 1:] += along
        upper = torch.diag_embed(-along, offset=1)
        blocks = torch.diag_embed(diagonal) + upper + upper.mT
        self._down = down.unsqueeze(3)
        self._inverses: list[Tensor] = []
        for row in range(height):
            block = blocks[:, row]
            if row:
                above = self._down[:, row - 1]
                block = block - above * self._inverses[-1] * above.mT
            self._inverses.append(torch.cholesky_inverse(torch.linalg.cholesky_ex(block).L))

    def solve(self, right: Tensor) -> Tensor:
        """Solve for S right-hand sides that share the matrix. right: (N, S, H, W). Returns the same shape."""
        columns = right.permute(0, 2, 3, 1)  # (N, H, W, S)
        height = columns.shape[1]
        reduced = [columns[:, 0]]
        for row in range(1, height):
            reduced.append(columns[:, row] + self._down[:, row - 1] * (self._inverses[row - 1] @ reduced[-1]))
        solved = [self._inverses[-1] @ reduced[-1]]
        for row in reversed(range(height - 1)):
            solved.append(self._inverses[row] @ (reduced[row] + self._down[:, row] * solved[-1]))
        return torch.stack(solved[::-1], 1).permute(0, 3, 1, 2)
