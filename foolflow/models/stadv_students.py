"""The networks A, B and C as the students of R1 built them.

Unlike the paper's networks, B and C have pooling, and B has channel dropout.
R1 ends each network with a softmax. Foolflow's models return logits, so the softmax is part of the training recipe
(`loss: cross_entropy_of_softmax`). R1 standardises its inputs; here a layer does, with the statistics of MNIST.
images: (N, channels, height, width) in [0, 1].  Each network returns logits (N, classes).
"""

from collections.abc import Sequence

from torch import nn

from foolflow.models import stadv
from foolflow.models.layers import Normalize, height_and_width

MEAN, STD = (0.1307,), (0.3081,)  # of the MNIST train images


class A(nn.Sequential):
    """The layers of the paper, on normalised images."""

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        super().__init__(Normalize(mean, std), *stadv.A(channels, size, classes))


class B(nn.Sequential):
    """Dropout2d 0.2; conv 64 8x8, max pool 2; conv 128 6x6; conv 128 5x5; Dropout2d 0.5; FC.

    R1 does not say where it pools. At 28 x 28 only one pooling leaves room for the 5x5 convolution.
    """

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        height, width = ((side - 7) // 2 - 5 - 4 for side in height_and_width(size))
        super().__init__(
            Normalize(mean, std),
            nn.Dropout2d(0.2),
            nn.Conv2d(channels, 64, 8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 6),
            nn.ReLU(),
            nn.Conv2d(128, 128, 5),
            nn.ReLU(),
            nn.Dropout2d(0.5),
            nn.Flatten(),
            nn.Linear(128 * height * width, classes),
        )


class C(nn.Sequential):
    """Conv 128 3x3, max pool 2; conv 64 3x3, max pool 2; Dropout 0.25; FC 128; Dropout 0.5; FC."""

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        height, width = (((side - 2) // 2 - 2) // 2 for side in height_and_width(size))
        super().__init__(
            Normalize(mean, std),
            nn.Conv2d(channels, 128, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(128, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Linear(64 * height * width, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, classes),
        )
