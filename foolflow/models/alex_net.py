"""AlexNet at the size of MNIST, from R2's list of networks to try."""

from collections.abc import Sequence

from torch import nn

from foolflow.models.layers import height_and_width

POOL = 3  # pixels, overlapping: the stride is 2


class AlexNet(nn.Sequential):
    """Krizhevsky, Sutskever and Hinton 2012 (ImageNet classification with deep convolutional neural networks): five
    convolutions, local response normalisation after the first two, overlapping max pooling after the first, second and
    fifth, then two hidden layers with Dropout.

    Scaled from 224 to 28 pixels a side: the first convolution has 5 x 5 pixels and stride 1, and not 11 x 11 and 4; the
    layers are narrower and not divided among two GPUs. Responses are normalised after pooling, as in Caffe's version of
    the network, because that is a quarter of the work. As in Caffe, alpha is divided by the 5 channels; in
    the paper it is not.
    images: (N, channels, height, width) in [0, 1], of at least 15 pixels a side.  Returns logits (N, classes).
    """

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        widths: Sequence[int] = (32, 64, 128, 128, 64),
        hidden: int = 512,
        dropout: float = 0.5,
    ) -> None:
        layers: list[nn.Module] = []
        sides = height_and_width(size)
        for place, filters in enumerate(widths):
            kernel = 5 if place < 2 else 3
            layers += [nn.Conv2d(channels, filters, kernel, padding=kernel // 2), nn.ReLU()]
            if place in (0, 1, len(widths) - 1):
                layers.append(nn.MaxPool2d(POOL, stride=2))
                sides = ((sides[0] - POOL) // 2 + 1, (sides[1] - POOL) // 2 + 1)
            if place < 2:
                layers.append(nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2))
            channels = filters
        layers += [nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * sides[0] * sides[1], hidden), nn.ReLU()]
        layers += [nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU()]
        super().__init__(*layers, nn.Linear(hidden, classes))
