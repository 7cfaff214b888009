"""What the attacks that look for the shortest perturbation share: lengths, the shortest one found, a shorter one."""

import math

import torch
from torch import Tensor, nn

from foolflow.attacks.base import is_clear_success

TINY = 1e-12
STARTING_NOISES = 8


def length(perturbations: Tensor, norm: str) -> Tensor:
    """(N, ...) to (N,), in pixel units: the Euclidean length (`l2`) or the largest change of a pixel (`linf`)."""
    flat = perturbations.flatten(1)
    return flat.norm(dim=1) if norm == "l2" else flat.abs().amax(1)


def column(values: Tensor) -> Tensor:
    """(N,) to (N, 1, 1, 1), to multiply images with."""
    return values.view(-1, 1, 1, 1)


class Shortest:
    """For each of N images, the adversarial image nearest to it of all that were tried.

    images: (N, C, H, W), the clean one where none is found.  lengths: (N,), infinite where none is found.
    """

    def __init__(self, clean: Tensor, labels: Tensor, targets: Tensor | None, norm: str) -> None:
        self.clean, self.labels, self.targets, self.norm = clean, labels, targets, norm
        self.images = clean.clone()
        self.lengths = torch.full((len(clean),), torch.inf, device=clean.device)

    @property
    def found(self) -> Tensor:
        return self.lengths.isfinite()

    def goal(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """The labels and the targets of these images."""
        return self.labels[rows], None if self.targets is None else self.targets[rows]

    def remember(self, rows: Tensor, tried: Tensor, logits: Tensor, per_image: int = 1) -> tuple[Tensor, Tensor]:
        """Keep what fools and is shorter. rows: (M,), with each image's `per_image` tries next to each other.

        Returns, of each try, whether it fools, and its length.
        """
        fooled = is_clear_success(logits, *self.goal(rows))
        lengths = length(tried - self.clean[rows], self.norm)
        if len(rows):
            least, which = torch.where(fooled, lengths, torch.inf).view(-1, per_image).min(1)
            best = torch.arange(len(which), device=rows.device) * per_image + which
            best = best[least < self.lengths[rows[best]]]
            self.images[rows[best]] = tried[best]
            self.lengths[rows[best]] = lengths[best]
        return fooled, lengths

    def shorten(self, model: nn.Module, rows: Tensor, at_least: float, precision: float) -> None:
        """Bisect the line from each clean image to its adversarial one, to a share `precision` of its length.

        Only forward passes.
        """
        rows = rows[self.found[rows] & (self.lengths[rows] > at_least)]
        if len(rows) == 0:
            return
        ends = self.images[rows] - self.clean[rows]
        low, high = at_least / self.lengths[rows], torch.ones(len(rows), device=rows.device)
        for _ in range(math.ceil(math.log2(1 / precision))):
            middle = (low + high) / 2
            tried = (self.clean[rows] + column(middle) * ends).clamp(0, 1)
            with torch.no_grad():
                fooled, _ = self.remember(rows, tried, model(tried))
            high, low = torch.where(fooled, middle, high), torch.where(fooled, low, middle)

    def start_from_fixed_images(self, model: nn.Module, rows: Tensor, precision: float) -> None:
        """For images that no gradient leads away from: noise, an even grey, or the negative, drawn back towards them.

        The images are the same for all, so that none depends on its batch.
        """
        standing = rows
        for start in _starting_images(self.clean):
            standing = standing[~self.found[standing]]
            if len(standing) == 0:
                break
            tried = 1 - self.clean[standing] if start is None else start.expand_as(self.clean[standing])
            with torch.no_grad():
                self.remember(standing, tried, model(tried))
        self.shorten(model, rows, 0.0, precision)


def _starting_images(clean: Tensor) -> list[Tensor | None]:
    """Images of noise, (1, C, H, W), then even ones; None stands for the negative of the image itself."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, *clean.shape[1:])
    noises: list[Tensor | None] = [
        torch.rand(shape, generator=generator).to(clean.device) for _ in range(STARTING_NOISES)
    ]
    return [*noises, *(torch.full(shape, grey, device=clean.device) for grey in (0.5, 0.0, 1.0)), None]
