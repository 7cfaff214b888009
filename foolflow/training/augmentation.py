"""Random shifts and flips of a whole batch at once."""

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_images

from foolflow.compute.seeds import derived_seed


def to_mirror(flip: bool | str, count: int, *, epoch: int, seed: int) -> Tensor:
    """Return which of `count` images to mirror in an epoch. Returns bool (count,).

    flip: True draws each image with probability 1/2 in each epoch. `alternating` draws once, and mirrors the other
        images in every other epoch, so that two epochs show both orientations (K. Jordan 2024, arXiv 2404.00498).
    """
    if not flip:
        return torch.zeros(count, dtype=torch.bool)
    drawn_in = 0 if flip == "alternating" else epoch
    generator = torch.Generator().manual_seed(derived_seed(seed, "flip", drawn_in))
    drawn = torch.rand(count, generator=generator) < 0.5
    return drawn ^ (epoch % 2 == 1) if flip == "alternating" else drawn


def shift_and_mirror(images: Tensor, *, pad: int, mirror: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to `pad` pixels, filling with zeros, and mirror those that `mirror` selects.

    images: any dtype, (N, C, H, W).  mirror: bool (N,).  generator: on the images' device, as are the others.
    """
    count, channels, height, width = images.shape
    device = images.device

    def draw() -> Tensor:
        return torch.randint(2 * pad + 1, (count, 1), generator=generator, device=device)

    rows = draw() + torch.arange(height, device=device)
    columns = draw() + torch.arange(width, device=device)
    columns = torch.where(mirror[:, None], columns.flip(1), columns)
    return pad_images(images, (pad,) * 4)[
        torch.arange(count, device=device)[:, None, None, None],
        torch.arange(channels, device=device)[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]
