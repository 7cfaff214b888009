"""The networks A, B and C of the stAdv paper (Xiao et al. 2018, arXiv 1801.02612, table 4).

They come from Tramer et al. 2018 (arXiv 1705.07204). The code of that paper settles what the table leaves open: the
strides of B, and that B's first dropout acts on its input.
images: (N, channels, height, width) in [0, 1].  Each network returns logits (N, classes).
"""

from collections.abc import Sequence

from torch import nn

from foolflow.models.layers import height_and_width


class A(nn.Sequential):
    """Two conv 64 5x5, Dropout 0.25, FC 128, Dropout 0.5, FC."""

    def __init__(self, channels: int, size: int | Sequence[int], classes: int) -> None:
        height, width = (side - 8 for side in height_and_width(size))
        super().__init__(
            nn.Conv2d(channels, 64, 5),
            nn.ReLU(),
            nn.Conv2d(64, 64, 5),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Linear(64 * height * width, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, classes),
        )


class B(nn.Sequential):
    """Dropout 0.2, conv 64 8x8 stride 2 same, conv 128 6x6 stride 2, conv 128 5x5, Dropout 0.5, FC."""

    def __init__(self, channels: int, size: int | Sequence[int], classes: int) -> None:
        height, width = ((side // 2 - 6) // 2 + 1 - 4 for side in height_and_width(size))
        super().__init__(
            nn.Dropout(0.2),
            nn.Conv2d(channels, 64, 8, stride=2, padding=3),
            nn.ReLU(),
            nn.Conv2d(64, 128, 6, stride=2),
            nn.ReLU(),
            nn.Conv2d(128, 128, 5),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(128 * height * width, classes),
        )


class C(nn.Sequential):
    """Conv 128 3x3, conv 64 3x3, Dropout 0.25, FC 128, Dropout 0.5, FC."""

    def __init__(self, channels: int, size: int | Sequence[int], classes: int) -> None:
        height, width = (side - 4 for side in height_and_width(size))
        super().__init__(
            nn.Conv2d(channels, 128, 3),
            nn.ReLU(),
            nn.Conv2d(128, 64, 3),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Linear(64 * height * width, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, classes),
        )
