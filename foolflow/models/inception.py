"""A small Inception network at the size of MNIST, from R2's list of networks to try."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Inception(nn.Sequential):
    """A convolution and three Inception modules (Szegedy et al. 2015, Going deeper with convolutions, figure 2b), max
    pooling before the first and the last of them, then the mean over the image, Dropout and FC.

    Each convolution has BatchNorm after it (Ioffe and Szegedy 2015, arXiv 1502.03167). The original has nine modules
    and two auxiliary classifiers, for images of 224 pixels a side.
    images: (N, channels, height, width) in [0, 1], of at least 4 pixels a side.  Returns logits (N, classes).
    """

    def __init__(self, channels: int, size: int | Sequence[int], classes: int, *, dropout: float = 0.4) -> None:
        super().__init__(
            convolution(channels, 32, 3),
            nn.MaxPool2d(2),
            Module(32, 16, (16, 32), (8, 16), 16),
            Module(80, 32, (32, 64), (8, 16), 16),
            nn.MaxPool2d(2),
            Module(128, 48, (48, 96), (8, 24), 24),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(192, classes),
        )


class Module(nn.Module):
    """Four branches next to each other, whose channels are concatenated.

    one: filters of the 1 x 1 convolution.  three, five: filters of the 1 x 1 convolution that reduces the channels, and
    of the 3 x 3 or 5 x 5 convolution after it.  pool: filters of the 1 x 1 convolution after 3 x 3 max pooling.
    """

    def __init__(self, channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                convolution(channels, one, 1),
                nn.Sequential(convolution(channels, three[0], 1), convolution(three[0], three[1], 3)),
                nn.Sequential(convolution(channels, five[0], 1), convolution(five[0], five[1], 5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), convolution(channels, pool, 1)),
            ]
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([branch(features) for branch in self.branches], dim=1)


def convolution(channels: int, filters: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, filters, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(filters), nn.ReLU()
    )
