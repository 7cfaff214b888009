"""The multilayer perceptrons of R2: MLP, MLP_d (Dropout), MLP_bn (BatchNorm)."""

from collections.abc import Sequence
from math import prod

from torch import nn

from foolflow.models.layers import height_and_width


class MLP(nn.Sequential):
    """Fully connected ReLU layers of the given widths. R2 does not state its widths; two of 512 are our choice.

    images: (N, channels, height, width) in [0, 1].  Returns logits (N, classes).
    """

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        widths: Sequence[int] = (512, 512),
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        features = channels * prod(height_and_width(size))
        for width in widths:
            layers.append(nn.Linear(features, width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(nn.ReLU())
            if dropout:
                layers.append(nn.Dropout(dropout))
            features = width
        super().__init__(*layers, nn.Linear(features, classes))
