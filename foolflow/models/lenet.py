"""The LeNet of R4, taken from the PyTorch tutorial on FGSM."""

from collections.abc import Sequence

from torch import nn

from foolflow.models.layers import height_and_width


class LeNet(nn.Sequential):
    """Conv 10 5x5, max pool 2, ReLU; Conv 20 5x5, Dropout2d, max pool 2, ReLU; FC 50, ReLU, Dropout; FC.

    images: (N, channels, height, width) in [0, 1], not normalised.  Returns logits (N, classes).
    dropout: the rate of both dropout layers (0.5 in R4).
    """

    def __init__(self, channels: int, size: int | Sequence[int], classes: int, *, dropout: float = 0.5) -> None:
        height, width = (((side - 4) // 2 - 4) // 2 for side in height_and_width(size))
        super().__init__(
            nn.Conv2d(channels, 10, 5),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(10, 20, 5),
            nn.Dropout2d(dropout),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(20 * height * width, 50),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(50, classes),
        )
