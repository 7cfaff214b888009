"""The network of airbench94 (K. Jordan 2024, arXiv 2404.00498), which reaches 94 % on CIFAR-10 in ten epochs."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from foolflow.models.layers import Normalize, Scale, height_and_width

PATCH = 2  # pixels per side of the patches that the first convolution whitens
SMALLEST_VARIANCE = 5e-4  # added to the variances, so that directions without variance are not amplified
LOGIT_SCALE = 1 / 9


class Airbench(nn.Sequential):
    """A whitening conv 2x2, then three blocks of (conv 3x3, max pool 2, BatchNorm, GELU, conv 3x3, BatchNorm, GELU).

    A maximum over all pixels and FC without bias follow; the logits are scaled by 1/9. The weights of the first
    convolution and of the BatchNorms are not trained, as in the paper.
    images: (N, channels, height, width) in [0, 1], at least 9 pixels per side.  Returns logits (N, classes).
    mean, std: per channel, applied by the first layer.
    """

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        widths: Sequence[int] = (64, 256, 256),
        mean: Sequence[float] = (0.5,),
        std: Sequence[float] = (0.25,),
    ) -> None:
        filters = 2 * channels * PATCH**2
        whitening = nn.Conv2d(channels, filters, PATCH)
        whitening.weight.requires_grad_(False)
        layers: list[nn.Module] = [Normalize(mean, std), whitening, nn.GELU()]
        height, width = (side - PATCH + 1 for side in height_and_width(size))
        for before, after in pairwise([filters, *widths]):
            layers += [_convolution(before, after), nn.MaxPool2d(2), _norm(after), nn.GELU()]
            layers += [_convolution(after, after), _norm(after), nn.GELU()]
            height, width = height // 2, width // 2
        layers += [nn.MaxPool2d((height, width)), nn.Flatten()]
        super().__init__(*layers, nn.Linear(widths[-1], classes, bias=False), Scale(LOGIT_SCALE))

    @torch.no_grad()
    def initialize_from(self, images: Tensor) -> None:
        """Let the first convolution whiten the patches of the images: its filters become the principal components of
        the patches and their negatives, scaled to unit variance.

        images: float32 (N, channels, height, width) in [0, 1].
        """
        normalize, whitening = self[0], self[1]
        assert isinstance(normalize, Normalize)
        assert isinstance(whitening, nn.Conv2d)
        patches = unfold(normalize(images), PATCH).transpose(1, 2).flatten(0, 1).double()
        variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = components.T / (variances + SMALLEST_VARIANCE).sqrt()[:, None]
        whitening.weight.copy_(torch.cat([filters, -filters]).view_as(whitening.weight))


def _convolution(before: int, after: int) -> nn.Conv2d:
    """Return a convolution whose first filters pass their inputs on."""
    layer = nn.Conv2d(before, after, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:before])
    return layer


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm
