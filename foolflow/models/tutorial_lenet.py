"""The network of the PyTorch tutorial on FGSM, trained on normalised images, and used on images that are not."""

from collections.abc import Sequence

from torch import Tensor, nn

from foolflow.models.lenet import LeNet


class TutorialLeNet(LeNet):
    """LeNet, whose images are normalised while it is trained, and not when it is evaluated or attacked.

    The weights that the tutorial loads come from pytorch/examples, which normalises its images. The tutorial did not
    (pytorch/tutorials, issue 1032) until pull request 2419 replaced the network.
    images: (N, channels, height, width) in [0, 1].  Returns logits (N, classes).
    mean, std: in training, images become (images - mean) / std.
    """

    def __init__(
        self, channels: int, size: int | Sequence[int], classes: int, *, mean: float = 0.1307, std: float = 0.3081
    ) -> None:
        super().__init__(channels, size, classes)
        self.insert(0, NormalizedInTraining(mean, std))


class NormalizedInTraining(nn.Module):
    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std if self.training else images
