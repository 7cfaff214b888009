"""The convolutional networks of R2: CNN, CNN_d (Dropout), CNN_bn (BatchNorm)."""

from collections.abc import Sequence

from torch import nn

from foolflow.models.layers import height_and_width


class CNN(nn.Sequential):
    """A block (conv 3x3, ReLU, max pool 2) per filter count, then FC 128, ReLU, FC.

    R2 does not state its sizes; these are our choice.
    images: (N, channels, height, width) in [0, 1].  Returns logits (N, classes).
    """

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        filters: Sequence[int] = (32, 64),
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        layers: list[nn.Module] = []
        height, width = height_and_width(size)
        for count in filters:
            layers.append(nn.Conv2d(channels, count, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(count))
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
            channels, height, width = count, height // 2, width // 2
        layers += [nn.Flatten(), nn.Linear(channels * height * width, 128)]
        if batch_norm:
            layers.append(nn.BatchNorm1d(128))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        super().__init__(*layers, nn.Linear(128, classes))
