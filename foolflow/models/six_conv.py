"""The network of R3, with six convolutions."""

from collections.abc import Sequence

from torch import nn

from foolflow.models.layers import Normalize, height_and_width


class SixConv(nn.Sequential):
    """Three blocks of (conv 3x3, ReLU, conv 3x3, ReLU, max pool 2), stride 1, padding 1; then FC.

    BatchNorm follows each convolution, and Dropout precedes FC if its rate is above 0.
    R3 states neither its widths nor a normalisation; 64, 128, 256 and BatchNorm are our choice.
    images: (N, channels, height, width) in [0, 1].  Returns logits (N, classes).
    mean, std: per channel, applied by the first layer.
    """

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        widths: Sequence[int] = (64, 128, 256),
        batch_norm: bool = True,
        dropout: float = 0.0,
        mean: Sequence[float] = (0.5,),
        std: Sequence[float] = (0.25,),
    ) -> None:
        layers: list[nn.Module] = [Normalize(mean, std)]
        height, width = height_and_width(size)
        for filters in widths:
            for _ in range(2):
                layers.append(nn.Conv2d(channels, filters, 3, padding=1, bias=not batch_norm))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(filters))
                layers.append(nn.ReLU())
                channels = filters
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        layers.append(nn.Flatten())
        if dropout:
            layers.append(nn.Dropout(dropout))
        super().__init__(*layers, nn.Linear(channels * height * width, classes))
