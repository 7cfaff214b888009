"""Our networks for images that are not square."""

import pytest
import torch

from foolflow.errors import InvalidInput
from foolflow.models.victims import build_model, build_victim, load_victim, save_victim

ARCHITECTURES = [
    *("airbench.Airbench", "cnn.CNN", "lenet.LeNet", "mlp.MLP", "six_conv.SixConv"),
    "tutorial_lenet.TutorialLeNet",
    *("alex_net.AlexNet", "inception.Inception", "caps_net.CapsNet"),
    *("stadv.A", "stadv.B", "stadv.C", "stadv_students.A", "stadv_students.B", "stadv_students.C"),
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", [[28, 40], [41, 30]])
def test_networks_take_images_that_are_not_square(architecture, size):
    model = build_model({"architecture": architecture}, {"channels": 3, "size": size, "classes": 5}).eval()
    images = torch.rand(2, 3, *size)
    logits = model(images)
    assert logits.shape == (2, 5)
    images[:, :, -8:, -8:] = 0  # the far corner is seen, too
    assert (model(images) != logits).any()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_square_may_be_given_by_one_side_or_both(architecture):
    one, both = (
        build_model({"architecture": architecture}, {"channels": 1, "size": size, "classes": 4}).state_dict()
        for size in (28, [28, 28])
    )
    assert {name: tensor.shape for name, tensor in one.items()} == {name: value.shape for name, value in both.items()}


def test_a_victim_for_images_that_are_not_square_survives_saving_and_loading(tmp_path):
    model, shape = {"architecture": "cnn.CNN"}, {"channels": 3, "size": [24, 36], "classes": 4}
    victim = build_victim(model, {}, shape).eval()
    path = tmp_path / "weights.safetensors"
    save_victim(path, victim, model=model, defense={}, shape=shape)
    images = torch.rand(2, 3, 24, 36)
    assert torch.allclose(load_victim(path, shape=shape)(images), victim(images), atol=1e-6)
    with pytest.raises(
        InvalidInput, match="a victim for 3 x 24 x 36 pixels and 4 classes; the images have 3 x 36 x 24"
    ):
        load_victim(path, shape=shape | {"size": [36, 24]})
