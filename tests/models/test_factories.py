"""Networks of torchvision and timm, with the user's weights."""

import socket
import sys

import pytest
import torch
import torchvision

from foolflow.errors import InvalidInput
from foolflow.models.supplied import load_supplied

IMAGES = torch.rand(2, 3, 40, 64, generator=torch.Generator().manual_seed(3))
SEVEN = tuple("abcdefg")


def load(model, class_names=SEVEN, size=(40, 64)):
    return load_supplied(model, channels=3, size=size, class_names=class_names)


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("a download")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def weights(folder, network):
    torch.save(network.state_dict(), folder / "net.pth")
    return str(folder / "net.pth")


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "densenet121", "mnasnet0_5"])
def test_the_number_of_classes_is_that_of_the_weights(tmp_path, name):
    network = torchvision.models.get_model(name, num_classes=7).eval()
    found = load({"torchvision": name, "weights": weights(tmp_path, network)})
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-4)


def test_the_number_of_classes_can_be_stated(tmp_path):
    network = torchvision.models.resnet18(num_classes=7).eval()
    model = {"torchvision": "resnet18", "weights": weights(tmp_path, network)}
    assert torch.allclose(load(model | {"arguments": {"num_classes": 7}}).victim(IMAGES), network(IMAGES), atol=1e-4)
    with pytest.raises(InvalidInput, match="the weights have 7 classes; set their number in arguments"):
        load(model | {"arguments": {"num_classes": 8}})


def test_a_thousand_classes(tmp_path):
    network = torchvision.models.resnet18().eval()
    model = {"torchvision": "resnet18", "weights": weights(tmp_path, network), "mean": [0.5], "std": [0.3]}
    found = load(model, class_names=[str(i) for i in range(1000)])
    assert torch.allclose(found.victim(IMAGES), network((IMAGES - 0.5) / 0.3), atol=1e-4)


@pytest.mark.parametrize("auxiliary", [True, False])
def test_googlenet_with_and_without_its_auxiliary_classifiers(tmp_path, auxiliary):
    network = torchvision.models.googlenet(num_classes=7, aux_logits=auxiliary, init_weights=False).eval()
    model = {"torchvision": "googlenet", "weights": weights(tmp_path, network), "mean": [0], "std": [1]}
    found = load(model)
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-4)
    assert "transform_input" in found.notices[0]
    found = load(model | {"arguments": {"transform_input": True}})
    network.transform_input = True
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-4)
    assert found.notices == ()


def test_a_network_without_mean_and_std_is_reported(tmp_path):
    network = torchvision.models.resnet18(num_classes=7)
    model = {"torchvision": "resnet18", "weights": weights(tmp_path, network)}
    (notice,) = load(model).notices
    assert notice.startswith("torchvision resnet18 has neither mean nor std, so it gets pixels in [0, 1] as they are")
    assert load(model | {"mean": [0], "std": [1]}).notices == ()


REJECTED = {
    "another network": ({"torchvision": "resnet34"}, "tensors are missing (layer1.2.conv1.weight"),
    "no such network": ({"torchvision": "resnet17"}, "torchvision has no model 'resnet17'"),
    "its own weights": ({"torchvision": "resnet18", "arguments": {"weights": "DEFAULT"}}, "nothing is downloaded"),
    "an unknown argument": ({"torchvision": "resnet18", "arguments": {"depth": 3}}, "unexpected keyword argument"),
    "segmentation": ({"torchvision": "fcn_resnet50"}, "does not fit torchvision fcn_resnet50"),
}


@pytest.mark.parametrize(("model", "words"), REJECTED.values(), ids=REJECTED)
def test_what_cannot_be_built_is_reported(tmp_path, model, words):
    network = torchvision.models.resnet18(num_classes=7)
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        load(model | {"weights": weights(tmp_path, network)})
    assert words in str(caught.value)
    assert len(str(caught.value)) < 600


def test_timm(tmp_path):
    timm = pytest.importorskip("timm")
    network = timm.create_model("resnet10t", num_classes=7).eval()
    model = {"timm": "resnet10t", "weights": weights(tmp_path, network)}
    found = load(model)
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-4)
    assert found.notices[0].startswith("timm resnet10t has neither mean nor std")
    for name in ("resnet10u", "hf-hub:timm/resnet10t"):
        with pytest.raises(InvalidInput, match="timm has no model"):
            load(model | {"timm": name})
    with pytest.raises(InvalidInput, match="nothing is downloaded"):
        load(model | {"arguments": {"pretrained": True}})


def test_a_missing_extra_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    network = torchvision.models.resnet18(num_classes=7)
    with pytest.raises(InvalidInput, match=r'^timm is not installed; run: pip install "foolflow\[timm\]"$'):
        load({"timm": "resnet10t", "weights": weights(tmp_path, network)})
