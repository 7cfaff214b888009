"""Supplied models in a config: which keys go together, which files must exist, all before anything runs."""

import importlib.util

import pytest

from foolflow.workflow.config.checks import problems
from foolflow.workflow.config.schema import load_schema

STUDY = {"fgsm_sweep": {"sweeps": [{"dataset": "digits", "model": "mine", "attack": "fgsm", "modified_epsilon": 0.1}]}}
TRAINING = {"epochs": 1}


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("net.pth", "net.onnx", "net.pt", "names.txt"):
        (tmp_path / name).touch()
    (tmp_path / "net.py").write_text("def build(): pass\n")


def lines(model, used=True):
    config = {
        "datasets": {"digits": {"source": "digits", "val": 10, "test": 10}},
        "models": {"mine": model},
        "attacks": {"fgsm": {"method": "fgsm", "parameters": {"epsilon": [0.1]}}},
        "studies": STUDY if used else {},
    }
    return problems(config, load_schema())


VALID = {
    "torchvision": {"torchvision": "resnet18", "weights": "net.pth", "mean": [0.5, 0.5, 0.4], "std": [0.2, 0.2, 1]},
    "our own": {"architecture": "lenet.LeNet", "arguments": {"dropout": 0.1}, "weights": "net.pth", "mean": [0.1]},
    "python": {"python": "net.py:build", "weights": "net.pth", "arguments": {"width": 3}, "classes": "names.txt"},
    "TorchScript": {"torchscript": "net.pt", "classes": ["a", "b", 3]},
    "ONNX": {"onnx": "net.onnx", "std": [0.5]},
    "trained": {"architecture": "lenet.LeNet", "training": TRAINING},
    "trained python": {"python": "net.py:build", "training": TRAINING, "arguments": {"width": 3}},
}


@pytest.mark.parametrize("model", VALID.values(), ids=VALID)
def test_valid_models(model):
    if "onnx" in model:
        pytest.importorskip("onnx2torch")
    assert lines(model) == []


RESNET = {"torchvision": "resnet18", "weights": "net.pth"}
INVALID = {
    "no network": ({"weights": "net.pth"}, ": needs one of architecture, python, torchvision, timm, torchscript, onnx"),
    "two networks": (RESNET | {"onnx": "net.onnx"}, ": needs one of architecture, python, torchvision, timm, torchs"),
    "two networks, named": (RESNET | {"onnx": "net.onnx"}, "; torchvision and onnx are given"),
    "no weights": ({"torchvision": "resnet18"}, ": torchvision needs weights:"),
    "neither": (
        {"python": "net.py:build"},
        ": python needs weights: (a trained network) or training: (to train one here)",
    ),
    "both": (
        {"python": "net.py:build", "weights": "net.pth", "training": TRAINING},
        ": weights and training exclude each other; supplied weights are never trained",
    ),
    "training of torchvision": (
        {"torchvision": "resnet18", "training": TRAINING},
        ": torchvision needs weights:",
    ),
    "training of ONNX": (
        {"onnx": "net.onnx", "training": TRAINING},
        ".training: onnx models are not trained here; use architecture or python",
    ),
    "ONNX with weights": ({"onnx": "net.onnx", "weights": "net.pth"}, ".weights: not with onnx, which is complete"),
    "TorchScript with arguments": ({"torchscript": "net.pt", "arguments": {}}, ".arguments: not with torchscript"),
    "trained with a mean": (
        {"architecture": "lenet.LeNet", "training": TRAINING, "mean": [0.5]},
        ".mean: only for supplied weights; for a model that is trained here use arguments",
    ),
    "weights that do not exist": (RESNET | {"weights": "no.pth"}, ".weights: no.pth does not exist"),
    "weights in the home folder": (RESNET | {"weights": "~/w.pth"}, "~/w.pth does not exist; ~ is not expanded, so "),
    "weights at a whole path": (
        RESNET | {"weights": "/no/w.pth"},
        ".weights: /no/w.pth does not exist; check the path",
    ),
    "code in the home folder": (
        {"python": "~/net.py:Net", "training": TRAINING},
        ".python: ~/net.py does not exist; ~ is",
    ),
    "names that do not exist": (RESNET | {"classes": "no.txt"}, ".classes: no.txt does not exist"),
    "a network that does not exist": (RESNET | {"torchvision": "resnet17"}, ".torchvision: 'resnet17' is not among"),
    "a network with weights": (RESNET | {"torchvision": "resnet18.IMAGENET1K_V1"}, "is not among the networks of"),
    "a network in capitals": (RESNET | {"torchvision": "ResNet18"}, "among the networks of torchvision: resnet18, "),
    "a mean that is a number": (RESNET | {"mean": 0.5}, ".mean: 0.5 is not a list; write [0.5]"),
    "two means": (RESNET | {"mean": [0.5, 0.5]}, ".mean: 2 numbers; give one, or one for each of the three channels"),
    "a mean of bytes": (
        RESNET | {"mean": [123.675, 116.28, 103.53]},
        ".mean: [123.675, 116.28, 103.53] is for pixels of",
    ),
    "a std of bytes": (
        RESNET | {"std": [58]},
        ".std: [58] is for pixels of 0 to 255; they are 0 to 1 here, so divide by",
    ),
    "four means": (RESNET | {"mean": [0.5] * 4}, ".mean: 4 given; at most 3 are allowed"),
    "a mean of text": (RESNET | {"mean": ["half"]}, ".mean.0: 'half' is not of type 'number'"),
    "a std of 0": (RESNET | {"std": [0.2, 0, 0.2]}, ".std.1: 0 is not above 0"),
    "a NaN": (RESNET | {"std": [float("nan")]}, ".std.0: nan is not a finite number"),
    "a class called yes": (RESNET | {"classes": ["a", True]}, ".classes.1: YAML reads this name as true or false; put"),
    "a class called null": (RESNET | {"classes": ["a", None]}, ".classes.1: YAML reads this name as null; put it in"),
    "a class without a name": (RESNET | {"classes": ["a", ""]}, ".classes.1: the text is empty"),
    "one class": (RESNET | {"classes": ["a"]}, ".classes: 1 given; at least 2 are needed"),
    "a number of classes": (RESNET | {"classes": 7}, ".classes: 7 is neither a list of class names nor the path"),
    "an unknown key": (RESNET | {"pretrained": True}, ".pretrained: unknown key; allowed are architecture, arguments"),
    "no file": ({"onnx": ""}, ".onnx: the text is empty"),
    "another function": (
        {"python": "net.py:Net", "weights": "net.pth"},
        ".python: net.py does not define 'Net'; it defines build",
    ),
    "another argument": (
        {"architecture": "lenet.LeNet", "arguments": {"depth": 3}, "weights": "net.pth"},
        ".arguments.depth: unknown; LeNet takes dropout",
    ),
}


@pytest.mark.parametrize(("model", "words"), INVALID.values(), ids=INVALID)
def test_each_problem_is_one_line(model, words):
    (line,) = lines(model)
    assert line.startswith("models.mine")
    assert words in line
    assert line.isprintable()


def test_the_files_of_a_model_that_no_study_uses_may_be_missing():
    assert lines({"torchvision": "resnet17", "weights": "no.pth", "classes": "no.txt"}, used=False) == []


@pytest.mark.parametrize(("model", "library"), [({"timm": "resnet10t", "weights": "net.pth"}, "timm")])
def test_a_missing_library_is_reported_if_a_study_uses_the_model(monkeypatch, model, library):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == library else find_spec(name))
    (line,) = lines(model)
    assert line == f'models.mine.{library}: {library} is not installed; run: pip install "foolflow[{library}]"'
    assert lines(model, used=False) == []
