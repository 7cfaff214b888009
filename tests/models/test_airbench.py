import pytest
import torch

from foolflow.attacks.pgd import pgd
from foolflow.models.airbench import Airbench
from foolflow.training.loop import train
from foolflow.training.recipe import Recipe
from tests.conftest import labelled


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_convolution_whitens_the_patches(channels):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(300, channels, 8, 8, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=17, mode="bilinear")  # neighbours are correlated
    model = Airbench(channels, 17, 10, mean=[0.5] * channels, std=[0.1] * channels)
    model.initialize_from(images)
    with torch.no_grad():
        outputs = model[1](model[0](images)) - model[1].bias.view(-1, 1, 1)
    half = 4 * channels
    assert torch.allclose(outputs[:, :half], -outputs[:, half:], atol=1e-4)
    values = outputs[:, :half].transpose(0, 1).flatten(1)
    moments = values @ values.T / values.shape[1]
    off_diagonal = moments - moments.diag().diag()
    assert off_diagonal.abs().max() < 0.01
    assert moments.diag().max() == pytest.approx(1, abs=0.01)
    assert (moments.diag() > 0.2).all()  # the directions of the least variance are amplified less


def test_what_is_frozen_stays_and_the_rest_learns(digits_splits):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    torch.manual_seed(0)
    size = data[0].images.shape[2]
    model = Airbench(1, size, 10, widths=(8, 16, 16))
    recipe = Recipe(epochs=5, optimizer="sgd", learning_rate=0.3, momentum=0.9, norm_bias_rate=8, batch_size=64)
    trained = train(model, *data, recipe, seed=0)
    assert trained.history[-1].train_accuracy > 0.9
    still = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert "1.weight" in still
    assert len(still) == 7  # whitening and six BatchNorms
    for name in still - {"1.weight"}:
        assert (model.get_parameter(name) == 1).all()


def test_gradients_of_attacks_pass_through_the_network():
    torch.manual_seed(0)
    model = Airbench(3, 32, 10, widths=(8, 16, 16)).eval()
    images = torch.rand(4, 3, 32, 32)
    model.initialize_from(images)
    labels = model(images).argmax(1)
    assert pgd(model, images, labels, epsilon=0.2, steps=10).success.all()
