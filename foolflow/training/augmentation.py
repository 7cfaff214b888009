"""Random shifts and flips of a whole batch at once."""

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_images


def shift_and_flip(images: Tensor, *, pad: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift each image by up to `pad` pixels, filling with zeros, and mirror it with probability 1/2 if `flip`.

    images: any dtype, (N, C, H, W).  generator: on the images' device.
    """
    count, channels, height, width = images.shape
    device = images.device

    def draw(high: int) -> Tensor:
        return torch.randint(high, (count, 1), generator=generator, device=device)

    rows = draw(2 * pad + 1) + torch.arange(height, device=device)
    columns = draw(2 * pad + 1) + torch.arange(width, device=device)
    if flip:
        columns = torch.where(draw(2) == 1, columns.flip(1), columns)
    return pad_images(images, (pad,) * 4)[
        torch.arange(count, device=device)[:, None, None, None],
        torch.arange(channels, device=device)[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]
