"""Shared by the minimal-perturbation attacks: norms, the best result so far, bisection towards the clean image."""

import math

import torch
from torch import Tensor, nn

from foolflow.attacks.base import clean_scale, is_clear_success
from foolflow.compute.acceleration import unaccelerated

TINY = 1e-12
STARTING_NOISES = 8


def length(perturbations: Tensor, norm: str) -> Tensor:
    """Return the Euclidean length (`l2`) or the largest change of a pixel (`linf`), in pixel units: (N,)."""
    flat = perturbations.flatten(1)
    return flat.norm(dim=1) if norm == "l2" else flat.abs().amax(1)


def dual_length(gradients: Tensor, norm: str) -> Tensor:
    """Return the dual norm, the fastest increase per unit of length for these gradients: (N,)."""
    flat = gradients.flatten(1)
    return flat.norm(dim=1) if norm == "l2" else flat.abs().sum(1)


def column(values: Tensor) -> Tensor:
    """Reshape (N,) to (N, 1, 1, 1), to multiply images by it."""
    return values.view(-1, 1, 1, 1)


class Shortest:
    """The nearest adversarial image found so far for each of N images.

    images: (N, C, H, W), clean where none is found.  lengths: (N,), infinite where none is found.
    scale: (N,), the `clean_scale` of the images.
    """

    def __init__(self, clean: Tensor, logits: Tensor, labels: Tensor, targets: Tensor | None, norm: str) -> None:
        """logits: (N, K), of the clean images."""
        self.clean, self.labels, self.targets, self.norm = clean, labels, targets, norm
        self.scale = clean_scale(logits, labels, targets)
        self.images = clean.clone()
        self.lengths = torch.full((len(clean),), torch.inf, device=clean.device)

    @property
    def found(self) -> Tensor:
        return self.lengths.isfinite()

    def goal(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the labels and the targets of these images."""
        return self.labels[rows], None if self.targets is None else self.targets[rows]

    def remember(self, rows: Tensor, tried: Tensor, logits: Tensor, per_image: int = 1) -> tuple[Tensor, Tensor]:
        """Keep the tried images that fool the model with a shorter perturbation than before.

        rows: (M,), with the `per_image` candidates of an image next to each other.
        Returns, for each candidate, whether it fools the model (M,), and the length of its perturbation (M,).
        """
        fooled = is_clear_success(logits, *self.goal(rows), self.scale[rows])
        lengths = length(tried - self.clean[rows], self.norm)
        if len(rows):
            least, which = torch.where(fooled, lengths, torch.inf).view(-1, per_image).min(1)
            best = torch.arange(len(which), device=rows.device) * per_image + which
            best = best[least < self.lengths[rows[best]]]
            self.images[rows[best]] = tried[best]
            self.lengths[rows[best]] = lengths[best]
        return fooled, lengths

    def shorten(self, model: nn.Module, rows: Tensor, at_least: float, precision: float) -> None:
        """Bisect the line from each clean image to its adversarial one, with forward passes only.

        at_least: no perturbation becomes shorter than this.  precision: fraction of the length at which to stop.
        """
        rows = rows[self.found[rows] & (self.lengths[rows] > at_least)]
        if len(rows) == 0:
            return
        ends = self.images[rows] - self.clean[rows]
        low, high = at_least / self.lengths[rows], torch.ones(len(rows), device=rows.device)
        for _ in range(math.ceil(math.log2(1 / precision))):
            middle = (low + high) / 2
            tried = (self.clean[rows] + column(middle) * ends).clamp(0, 1)
            with torch.no_grad(), unaccelerated():
                fooled, _ = self.remember(rows, tried, model(tried))
            high, low = torch.where(fooled, middle, high), torch.where(fooled, low, middle)

    def start_from_fixed_images(self, model: nn.Module, rows: Tensor, precision: float) -> None:
        """Rescue images without a useful gradient: try noise, uniform grey and the negative, then bisect.

        The starting images are the same for all, so that no result depends on the batch.
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
    """Return images of noise, (1, C, H, W), then uniform ones; None stands for the negative of the image itself."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, *clean.shape[1:])
    noises: list[Tensor | None] = [
        torch.rand(shape, generator=generator).to(clean.device) for _ in range(STARTING_NOISES)
    ]
    return [*noises, *(torch.full(shape, grey, device=clean.device) for grey in (0.5, 0.0, 1.0)), None]
