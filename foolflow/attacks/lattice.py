"""Linear systems on the lattice of an image's pixels, for many images at once."""

import torch
from torch import Tensor


def stiffness(flow: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Weights with which 1/2 sum w |f_p - f_q|^2 over neighbours has, at `flow`, the gradient of its flow loss.

    flow: (N, 2, H, W), in pixels.  smoothing: of the flow loss, above 0.
    Returns the weights between rows (N, H - 1, W) and between columns (N, H, W - 1).
    """
    down, along = (2 * (flow.diff(dim=axis).square().sum(1) + smoothing**2).rsqrt() for axis in (2, 3))
    return down, along


class Lattice:
    """K + damping * I, K the graph Laplacian of the pixels under `stiffness`, factored to solve with.

    The matrix is block tridiagonal, a block for each row of pixels; eliminating row by row costs H inverses of
    (W, W) an image.
    """

    def __init__(self, down: Tensor, along: Tensor, damping: float) -> None:
        """down: (N, H - 1, W).  along: (N, H, W - 1).  damping: above 0, as a shift of all pixels costs nothing."""
        count, height, width = len(along), along.shape[1], down.shape[2]
        diagonal = down.new_full((count, height, width), damping)
        diagonal[:, :-1] += down
        diagonal[:, 1:] += down
        diagonal[:, :, :-1] += along
        diagonal[:, :, 1:] += along
        beside = torch.diag_embed(-along, offset=1)
        blocks = torch.diag_embed(diagonal) + beside + beside.mT
        self._down = down.unsqueeze(3)
        self._inverses: list[Tensor] = []
        for row in range(height):
            block = blocks[:, row]
            if row:
                above = self._down[:, row - 1]
                block = block - above * self._inverses[-1] * above.mT
            self._inverses.append(torch.cholesky_inverse(torch.linalg.cholesky_ex(block).L))

    def solve(self, right: Tensor) -> Tensor:
        """right: (N, S, H, W), S right sides that share the matrix. Returns the solutions in that shape."""
        columns = right.permute(0, 2, 3, 1)  # (N, H, W, S)
        height = columns.shape[1]
        reduced = [columns[:, 0]]
        for row in range(1, height):
            reduced.append(columns[:, row] + self._down[:, row - 1] * (self._inverses[row - 1] @ reduced[-1]))
        solved = [self._inverses[-1] @ reduced[-1]]
        for row in reversed(range(height - 1)):
            solved.append(self._inverses[row] @ (reduced[row] + self._down[:, row] * solved[-1]))
        return torch.stack(solved[::-1], 1).permute(0, 3, 1, 2)
