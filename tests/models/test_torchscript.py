"""TorchScript archives become victims."""

import warnings

import pytest
import torch
from torch import nn

from foolflow.errors import InvalidInput
from foolflow.models.supplied import load_supplied
from tests.models.supplying import assert_same, net

NAMES = ("ant", "bee", "cow", "dog")
IMAGES = torch.rand(4, 3, 10, 14, generator=torch.Generator().manual_seed(3))

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


class Outer(nn.Module):
    def __init__(self, network: nn.Module, kind: str) -> None:
        super().__init__()
        self.network, self.kind = network, kind

    def forward(self, x: torch.Tensor):
        match self.kind:
            case "tuple":
                return self.network(x), x
            case "softmax":
                return torch.softmax(self.network(x), 1)
            case "softmax in a tuple":
                return torch.softmax(self.network(x), 1), x
            case "softmax and views":
                return torch.softmax(self.network(x), 1).flatten(1).contiguous()
            case "softmax by hand":
                values = (self.network(x) - 30).exp()
                return values / values.sum(1, keepdim=True)
            case "NHWC":
                return self.network(x.permute(0, 3, 1, 2))
            case "a batch of 1":
                return self.network(x).view(1, -1)
            case _:
                return self.network(x)


def save(path, network, kind="plain", images=IMAGES, script=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if script:
            archive = torch.jit.script(network)
        else:
            images = images.permute(0, 2, 3, 1) if kind == "NHWC" else images
            archive = torch.jit.trace(Outer(network, kind).eval(), images[:1] if kind == "a batch of 1" else images)
        archive.save(str(path))
    return str(path)


def load(path, channels=3, size=(10, 14), **more):
    model = {"torchscript": path, **more}
    return load_supplied(model, channels=channels, size=list(size), class_names=NAMES)


KINDS = {
    "plain": [],
    "tuple": [],
    "softmax": ["ends in a softmax; it was removed"],
    "softmax in a tuple": ["ends in a softmax; it was removed"],
    "softmax and views": ["ends in a softmax; it was removed"],
    "NHWC": ["takes the images as (N, height, width, channels)"],
    "a batch of 1": ["a batch runs image by image"],
}


@pytest.mark.parametrize(("kind", "notices"), KINDS.items())
def test_an_archive_has_the_logits_and_the_gradient_of_the_network(tmp_path, kind, notices):
    network = net()
    found = load(save(tmp_path / "net.pt", network, kind), mean=[0.5], std=[0.2])
    assert_same(found.victim, network, IMAGES, mean=0.5, std=0.2)
    assert [words in notice for words, notice in zip(notices, found.notices, strict=True)] == [True] * len(notices)


def test_a_scripted_network_of_any_size(tmp_path):
    network = net()
    path = save(tmp_path / "net.pt", network, script=True)
    for size in ((10, 14), (21, 8)):
        images = torch.rand(3, 3, *size)
        assert torch.allclose(load(path, size=size).victim(images), network(images), atol=1e-5)


@pytest.mark.parametrize("layers", [(nn.Softmax(1),), (nn.Dropout(), nn.Softmax(dim=-1), nn.Identity(), nn.Flatten())])
def test_the_softmax_of_a_scripted_network_is_removed(tmp_path, layers):
    network = net()
    found = load(save(tmp_path / "net.pt", nn.Sequential(network, *layers).eval(), script=True))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-5)
    assert "ends in a softmax; it was removed" in found.notices[0]


def test_a_frozen_archive(tmp_path):
    """It has no parameters left, only constants."""
    network = net()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(nn.Sequential(network, nn.Softmax(1)).eval())
        torch.jit.freeze(scripted).save(str(tmp_path / "net.pt"))
    found = load(str(tmp_path / "net.pt"))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-5)


def test_repeated_calls_return_the_same_bytes(tmp_path):
    """TorchScript's optimiser would change the rounding after the first calls."""
    victim = load(save(tmp_path / "net.pt", net())).victim
    first = victim(IMAGES)
    assert all(torch.equal(victim(IMAGES), first) for _ in range(4))


def test_grey_images_and_other_class_names(tmp_path):
    network = net()
    found = load(save(tmp_path / "net.pt", network), channels=1, classes=["dog", "cow", "bee", "ant"])
    grey = IMAGES[:, :1]
    assert torch.allclose(found.victim(grey), network(grey.expand(-1, 3, -1, -1)).flip(1), atol=1e-5)


def test_half_precision_runs_in_float32(tmp_path):
    network = net().half()
    found = load(save(tmp_path / "net.pt", network, images=IMAGES.half()))
    assert torch.allclose(found.victim(IMAGES), network.float()(IMAGES), atol=1e-4)


def test_other_files_are_reported_in_one_line(tmp_path):
    path = tmp_path / "net.pt"
    torch.save(net().state_dict(), path)
    with pytest.raises(InvalidInput, match=r"^[^\n]+is not a TorchScript archive[^\n]+for a state dict use weights:"):
        load(str(path))
    path.write_bytes(b"x" * 100)
    with pytest.raises(InvalidInput, match=r"^[^\n]+is not a TorchScript archive[^\n]+$"):
        load(str(path))
    with pytest.raises(InvalidInput, match=r"nowhere\.pt does not exist"):
        load("nowhere.pt")
    with pytest.raises(
        InvalidInput, match=r"^[^\n]+ends in a softmax that cannot be removed[^\n]+probabilities\.log\(\)$"
    ):
        load(save(path, net(), "softmax by hand"))


def test_an_archive_for_another_size_is_reported_in_one_line(tmp_path):
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(fixed, torch.rand(2, 3, 8, 8)).save(str(tmp_path / "net.pt"))
    with pytest.raises(InvalidInput, match=r"^[^\n]+with size, resize or crop of the data set\)$") as caught:
        load(str(tmp_path / "net.pt"))
    assert "fails on images of 3 x 10 x 14 pixels" in str(caught.value)
    assert "420" in str(caught.value)
