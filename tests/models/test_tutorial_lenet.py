"""The tutorial's network: normalised images in training, raw ones afterwards."""

import pytest
import torch

from foolflow.models.lenet import LeNet
from foolflow.models.tutorial_lenet import TutorialLeNet


def test_images_are_normalised_in_training_only():
    torch.manual_seed(0)
    tutorial, plain = TutorialLeNet(1, 28, 10), LeNet(1, 28, 10, dropout=0.0)
    plain.load_state_dict(dict(zip(plain.state_dict(), tutorial.state_dict().values(), strict=True)))
    images = torch.rand(4, 1, 28, 28)
    tutorial.eval()
    plain.eval()
    assert torch.equal(tutorial(images), plain(images))
    tutorial.train()
    for layer in tutorial:
        if "Dropout" in type(layer).__name__:
            layer.eval()
    assert tutorial(images).tolist() == [pytest.approx(row) for row in plain((images - 0.1307) / 0.3081).tolist()]
