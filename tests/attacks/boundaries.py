"""Networks whose boundaries are known, and distances to them."""

import torch
from torch import nn

from tests.conftest import random_affine


def two_classes(seed, count=6):
    """Return images around a linear boundary, inside [0, 1], and their distances to it in l2 and linf."""
    model = random_affine(seed, classes=2)
    generator = torch.Generator().manual_seed(seed)
    images = 0.4 + 0.2 * torch.rand(count, 1, 4, 4, generator=generator)
    model.bias.data -= model(images).mean(0).detach()
    with torch.no_grad():
        logits = model(images)
    slope = model.weight.data[0] - model.weight.data[1]
    gap = (logits[:, 0] - logits[:, 1]).abs()
    return model, images, logits.argmax(1), {"l2": gap / slope.norm(), "linf": gap / slope.abs().sum()}


def norms(images, clean, norm):
    return (images - clean).flatten(1).norm(dim=1, p=2 if norm == "l2" else torch.inf)


class Masked(nn.Module):
    """Predict class 1 where the mean is above 0.7, without a gradient."""

    def forward(self, images):
        bright = (images.flatten(1).mean(1) > 0.7).float()
        return torch.stack([1 - bright, bright], 1) + 0 * images.flatten(1).sum(1, keepdim=True)
