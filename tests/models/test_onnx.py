"""ONNX graphs become victims, with their gradient where they have one."""

import sys

import pytest
import torch

pytest.importorskip("onnx2torch")
pytest.importorskip("onnxruntime")

from onnx import TensorProto

from foolflow import attacks
from foolflow.compute.freezing import frozen
from foolflow.compute.gradients import why_not_differentiable
from foolflow.errors import InvalidInput
from foolflow.models.kinds import model_files
from foolflow.models.supplied import load_supplied
from tests.models.graphs import write
from tests.models.supplying import assert_same, net

NAMES = ("ant", "bee", "cow", "dog")
IMAGES = torch.rand(4, 3, 10, 14, generator=torch.Generator().manual_seed(3))


def load(path, channels=3, size=(10, 14), **more):
    return load_supplied({"onnx": path, **more}, channels=channels, size=list(size), class_names=NAMES)


CONVERTED = {
    # name: (options of the graph, words of the notices)
    "any batch": ({}, []),
    "any size": ({"shape": ("N", 3, "H", "W")}, []),
    "any channels": ({"shape": ("N", "C", "H", "W")}, []),
    "no names": ({"shape": (None, None, None, None)}, []),
    "an old opset": ({"opset": 9}, []),
    "NHWC": ({"shape": ("N", 10, 14, 3), "nhwc": True}, ["takes the images as (N, height, width, channels)"]),
    "NHWC of any size": ({"shape": ("N", "H", "W", 3), "nhwc": True}, ["(N, height, width, channels)"]),
    "a batch of 1": ({"shape": (1, 3, 10, 14)}, ["fixed batch size of 1; it was opened to any size"]),
    "a batch of 1 in a reshape": ({"shape": (1, 3, 10, 14), "reshape": (1, -1)}, ["it was opened to any size"]),
    "a batch of 1 and a width": ({"shape": (1, 3, 10, 14), "reshape": (1, 6)}, ["it was opened to any size"]),
    "a batch of 8": ({"shape": (8, 3, 10, 14), "reshape": (8, 6)}, ["fixed batch size of 8; it was opened"]),
    "softmax": ({"tail": (("Softmax", {"axis": 1}),)}, ["ends in a softmax; it was removed"]),
    "softmax of an old opset": ({"tail": ("Softmax",), "opset": 9}, ["ends in a softmax; it was removed"]),
    "softmax and Identity": ({"tail": (("Softmax", {"axis": 1}), "Identity")}, ["ends in a softmax"]),
    "softmax, one at a time": (
        {"shape": (1, 3, 10, 14), "reshape": (1, -1), "tail": (("Softmax", {"axis": 1}),)},
        ["it was opened", "ends in a softmax"],
    ),
    "external data": ({"external": True}, []),
}


@pytest.mark.parametrize(("options", "notices"), CONVERTED.values(), ids=CONVERTED)
def test_a_graph_has_the_logits_and_the_gradient_of_the_network(tmp_path, options, notices):
    network = net()
    found = load(write(tmp_path / "net.onnx", network, **options), mean=[0.5], std=[0.2])
    assert_same(found.victim, network, IMAGES, mean=0.5, std=0.2)
    assert len(found.notices) == len(notices)
    assert all(words in notice for words, notice in zip(notices, found.notices, strict=True))


def test_a_graph_of_half_precision_runs_in_float32(tmp_path):
    network = net().half().float()
    victim = load(write(tmp_path / "net.onnx", network, dtype=TensorProto.FLOAT16)).victim
    images = IMAGES.clone().requires_grad_()
    logits = victim(images)
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, network(IMAGES), atol=1e-4)
    logits.sum().backward()
    assert images.grad is not None


def test_grey_images_for_a_graph_of_rgb(tmp_path):
    network = net()
    found = load(write(tmp_path / "net.onnx", network), channels=1)
    assert torch.allclose(found.victim(IMAGES[:, :1]), network(IMAGES[:, :1].expand(-1, 3, -1, -1)), atol=1e-4)
    assert "takes RGB images" in found.notices[0]


def test_a_graph_that_only_runs_on_single_images(tmp_path):
    """The batch size hides in a constant that cannot be opened."""
    network = net()
    tail = (("ReduceMax", {"axes": [0], "keepdims": 1}),)
    found = load(write(tmp_path / "net.onnx", network, shape=(1, 3, 10, 14), tail=tail))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-4)
    assert "a batch runs image by image" in found.notices[-1]


def test_a_graph_that_cannot_be_converted_runs_without_a_gradient(tmp_path):
    network = net()
    found = load(write(tmp_path / "net.onnx", network, tail=(("Shrink", {"lambd": 0.5}),)))
    expected = torch.nn.functional.hardshrink(network(IMAGES))
    assert torch.allclose(found.victim(IMAGES), expected, atol=1e-4)
    (notice,) = found.notices
    assert "cannot be differentiated: operator Shrink cannot be converted to PyTorch; only attacks without" in notice
    with pytest.raises(InvalidInput, match=r"^[^\n]*operator Shrink[^\n]*use attacks without gradients: square"):
        found.victim(IMAGES.clone().requires_grad_())
    with pytest.raises(InvalidInput, match="use attacks without gradients"), frozen(found.victim):
        attacks.fgsm(found.victim, IMAGES, expected.argmax(1), epsilon=0.1)
    assert "operator Shrink cannot be converted" in why_not_differentiable(found.victim, IMAGES[:1])
    made = attacks.autoattack(found.victim, IMAGES, expected.argmax(1), epsilon=0.5)  # its part without gradients
    assert made.images.shape == IMAGES.shape
    assert made.gradient_evaluations.sum() == 0
    with torch.no_grad():
        assert torch.allclose(found.victim(IMAGES.clone().requires_grad_()), expected, atol=1e-4)


def test_a_graph_without_a_gradient_is_reported(tmp_path):
    whole = (("Cast", {"to": TensorProto.INT64}), ("Cast", {"to": TensorProto.FLOAT}))
    found = load(write(tmp_path / "net.onnx", net(), tail=whole))
    assert "cannot be differentiated: no gradient flows from its output to the images" in found.notices[0]


REJECTED = {
    "another size": (
        {"shape": ("N", 3, 32, 32)},
        "takes images of 32 x 32 pixels and the data set has 10 x 14; set size: [32, 32], or resize and crop",
    ),
    "another size, NHWC": ({"shape": ("N", 32, 24, 3), "nhwc": True}, "set size: [32, 24]"),
    "four channels": ({"shape": ("N", 4, 10, 14)}, "which has neither 1 nor 3 channels"),
    "flat images": ({"shape": ("N", 420)}, "takes input of shape (any, 420); (N, C, H, W) or (N, H, W, C) is needed"),
    "two inputs": ({"more_inputs": 1}, "has 2 inputs (images, more0); the images must be its only input"),
    "whole numbers": ({"dtype": TensorProto.UINT8}, "takes uint8 images, which have no gradient"),
    "a batch of 8": (
        {"shape": (8, 3, 10, 14), "tail": (("ReduceMax", {"axes": [0], "keepdims": 1}),)},
        "returns (1, 4) for 8 images",
    ),
    "double": ({"dtype": TensorProto.DOUBLE}, "is not a graph that onnxruntime can run: NotImplemented"),
    "a softmax by hand": (
        {"tail": ("Exp", ("LpNormalization", {"p": 1, "axis": 1}))},
        "ends in a softmax that cannot be removed",
    ),
}


@pytest.mark.parametrize(("options", "words"), REJECTED.values(), ids=REJECTED)
def test_other_graphs_are_reported_in_one_line(tmp_path, options, words):
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        load(write(tmp_path / "net.onnx", net(), **options))
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"<html>" * 50])
def test_other_files_are_reported_in_one_line(tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"^[^\n]*net\.onnx[^\n]+$"):
        load(str(tmp_path / "net.onnx"))
    with pytest.raises(InvalidInput, match=r"nowhere\.onnx does not exist"):
        load("nowhere.onnx")


def test_external_tensors_are_files_of_the_model(tmp_path):
    path = write(tmp_path / "net.onnx", net(), external=True)
    assert model_files({"onnx": path}) == [path, f"{path}.data"]
    (tmp_path / "net.onnx.data").unlink()
    assert model_files({"onnx": path}) == [path]
    with pytest.raises(InvalidInput, match=r"^[^\n]*copy the file of its external data next to it$"):
        load(path)


def test_nothing_is_kept_between_two_loads(tmp_path):
    path = write(tmp_path / "net.onnx", net())
    load(path)
    write(tmp_path / "net.onnx", net(seed=1))
    assert torch.allclose(load(path).victim(IMAGES), net(seed=1)(IMAGES), atol=1e-4)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.onnx"]


def test_a_missing_extra_says_how_to_install_it(tmp_path, monkeypatch):
    path = write(tmp_path / "net.onnx", net())
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    with pytest.raises(InvalidInput, match=r'^onnx2torch is not installed; run: pip install "foolflow\[onnx\]"$'):
        load(path)
