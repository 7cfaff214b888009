"""A small capsule network at the size of MNIST, from R2's list of networks to try."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from foolflow.models.layers import height_and_width

KERNEL = 9  # pixels, of both convolutions
TINY = 1e-7  # keeps the logarithm of a capsule of length 0 and its gradient finite


class CapsNet(nn.Module):
    """Sabour, Frosst and Hinton 2017 (Dynamic routing between capsules, arXiv 1710.09829, figure 1), with 64 filters
    instead of 256, 8 types of primary capsules instead of 32, and without the decoder.

    The length of a class capsule, between 0 and 1, says how likely its class is. The logit is the logarithm of the odds
    of that length: with the squashing function |v| = |s|^2 / (1 + |s|^2), it is log |s|^2. The class with the longest
    capsule therefore has the largest logit, and cross-entropy has a gradient where a length is almost 0 or 1.
    images: (N, channels, height, width) in [0, 1], of at least 17 pixels a side.  Returns logits (N, classes).
    routings: number of iterations of the routing, of which the gradient passes through all.
    """

    def __init__(
        self,
        channels: int,
        size: int | Sequence[int],
        classes: int,
        *,
        filters: int = 64,
        types: int = 8,
        primary: int = 8,
        dimensions: int = 16,
        routings: int = 3,
    ) -> None:
        super().__init__()
        height, width = ((side - 2 * KERNEL + 1) // 2 + 1 for side in height_and_width(size))
        self.primary, self.routings = primary, routings
        self.features = nn.Sequential(nn.Conv2d(channels, filters, KERNEL), nn.ReLU())
        self.primaries = nn.Conv2d(filters, types * primary, KERNEL, stride=2)
        self.transforms = nn.Parameter(0.1 * torch.randn(types * height * width, classes, dimensions, primary))

    def forward(self, images: Tensor) -> Tensor:
        found = self.primaries(self.features(images))
        # Under autocast, lengths are computed in the type of the weights.
        grouped = found.to(self.transforms.dtype).unflatten(1, (-1, self.primary)).movedim(2, -1)
        votes = torch.einsum("icdp,nip->nicd", self.transforms, squash(grouped.flatten(1, -2)))
        return (route(votes.to(self.transforms.dtype), self.routings).square().sum(-1) + TINY).log()


def squash(capsules: Tensor) -> Tensor:
    """Shrink each vector of the last dimension to a length below 1 (equation 1)."""
    squared = capsules.square().sum(-1, keepdim=True)
    return capsules * (squared + TINY).sqrt() / (1 + squared)


def route(votes: Tensor, routings: int) -> Tensor:
    """Return the class capsules before squashing (procedure 1): (N, classes, dimensions).

    votes: (N, capsules, classes, dimensions), what each primary capsule predicts for each class.
    """
    agreement = torch.zeros_like(votes[..., 0])
    for routing in range(routings):
        capsules = (agreement.softmax(2).unsqueeze(-1) * votes).sum(1)
        if routing < routings - 1:
            agreement = agreement + (votes * squash(capsules).unsqueeze(1)).sum(-1)
    return capsules
