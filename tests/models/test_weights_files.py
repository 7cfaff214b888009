"""The weights that people have: every usual file is read, and anything else gets one line."""

import argparse
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from foolflow.errors import InvalidInput
from foolflow.models.supplied import load_supplied
from foolflow.models.weights import read_weights
from tests.models.supplying import Net, entry, net

NAMES = ("ant", "bee", "cow", "dog")
IMAGES = torch.rand(4, 3, 10, 14, generator=torch.Generator().manual_seed(3))


def load(model):
    return load_supplied(model, channels=3, size=[10, 14], class_names=NAMES)


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


OTHER = prefixed(net(seed=9).state_dict(), "")
WRAPPED = {
    # name: (what is saved for a state dict, words of the notice)
    "bare": (lambda state: state, None),
    "state_dict": (lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, None),
    "model": (lambda state: {"model": state, "args": ["a", 1, None]}, None),
    "model_state_dict": (lambda state: {"model_state_dict": state, "loss": 0.5}, None),
    "net": (lambda state: {"net": state, "acc": 91.5}, None),
    "nested": (lambda state: {"model": {"state_dict": state}}, None),
    "DataParallel": (lambda state: prefixed(state, "module."), None),
    "compiled": (lambda state: prefixed(state, "_orig_mod."), None),
    "compiled DataParallel": (lambda state: {"state_dict": prefixed(state, "module._orig_mod.")}, None),
    "a compiled part": (lambda state: {name.replace("conv.", "conv._orig_mod."): t for name, t in state.items()}, None),
    "Lightning": (lambda state: {"state_dict": prefixed(state, "model."), "hyper_parameters": {"lr": 0.1}}, None),
    "Lightning, net": (lambda state: {"state_dict": prefixed(state, "net.")}, None),
    "Lightning with a loss": (
        lambda state: {"state_dict": prefixed(state, "model.") | {"criterion.weight": torch.ones(4)}},
        "1 tensors that do not belong to the network are not used",
    ),
    "a part of another module": (lambda state: prefixed(state, "backbone."), "names begin with backbone., which was"),
    "a part of a wrapped module": (
        lambda state: prefixed(state, "module.encoder."),
        "names begin with module.encoder.",
    ),
    "a profiler's": (lambda state: state | {"total_ops": torch.zeros(1), "conv.total_params": torch.zeros(1)}, None),
    "with an average": (lambda state: {"model": state, "model_ema": OTHER}, "those under 'model'; the moving average"),
    "only an average": (lambda state: {"state_dict_ema": state}, "those of the moving average, 'state_dict_ema'"),
    "with a version": (lambda state: state | {"version": 3}, None),
    "parameters": (lambda state: {name: nn.Parameter(tensor) for name, tensor in state.items()}, None),
}


@pytest.mark.parametrize(("wrap", "notice"), WRAPPED.values(), ids=WRAPPED)
def test_every_usual_wrapper_is_removed(tmp_path, wrap, notice):
    network = net()
    model = entry(tmp_path, network)
    torch.save(wrap(network.state_dict()), model["weights"])
    found = load(model)
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-5)
    assert len(found.notices) == (notice is not None)
    assert notice is None or notice in found.notices[0]


def test_a_network_whose_parts_are_called_like_wrappers(tmp_path):
    """The prefixes belong to the network if it uses them."""
    network = net()
    (tmp_path / "outer.py").write_text(
        "from net import Net\nfrom torch import nn\nclass Outer(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.model = Net()\n"
        "    def forward(self, x):\n        return self.model(x)\n"
    )
    model = entry(tmp_path, network) | {"python": f"{tmp_path / 'outer.py'}:Outer"}
    for prefix in ("model.", "module.model.", "model.model."):
        torch.save(prefixed(network.state_dict(), prefix), model["weights"])
        assert torch.allclose(load(model).victim(IMAGES), network(IMAGES), atol=1e-5)


def test_a_student_and_a_teacher_are_not_told_apart_by_guessing(tmp_path):
    network = net()
    model = entry(tmp_path, network)
    both = prefixed(network.state_dict(), "student.") | prefixed(net(seed=9).state_dict(), "teacher.")
    torch.save(both, model["weights"])
    with pytest.raises(InvalidInput, match=r"holds weights that fit under student\. and teacher\.; save those of one"):
        load(model)


@pytest.mark.parametrize("ending", [".pth", ".pt", ".bin", ".ckpt", ".PTH"])
@pytest.mark.parametrize("zipped", [True, False])
def test_every_ending_and_format_of_torch_save_is_read(tmp_path, ending, zipped):
    network = net()
    model = entry(tmp_path, network)
    path = tmp_path / f"other{ending}"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=zipped)
    assert torch.allclose(load(model | {"weights": str(path)}).victim(IMAGES), network(IMAGES), atol=1e-5)


def test_safetensors_are_read(tmp_path):
    network = net()
    model = entry(tmp_path, network)
    save_file(prefixed(network.state_dict(), "module."), tmp_path / "net.safetensors")
    victim = load(model | {"weights": str(tmp_path / "net.safetensors")}).victim
    assert torch.allclose(victim(IMAGES), network(IMAGES), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_every_float_type_run_in_float32(tmp_path, dtype):
    network = net()
    model = entry(tmp_path, network)
    torch.save({name: tensor.to(dtype) for name, tensor in network.state_dict().items()}, model["weights"])
    logits = load(model).victim(IMAGES)
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, network.to(dtype).float()(IMAGES), atol=1e-5)


def whole_module(path):
    torch.save(net(), path)


def namespace(path):
    torch.save({"state_dict": net().state_dict(), "args": argparse.Namespace(lr=1)}, path)


def numpy_scalar(path):
    torch.save({"state_dict": net().state_dict(), "best": np.float64(0.9)}, path)


def scripted(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(net(), IMAGES).save(str(path))


class Executes:
    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return (open, (str(self.flag), "w"))


def hostile(path):
    torch.save({"state_dict": net().state_dict(), "x": Executes(path.parent / "executed")}, path)


def saved(change):
    return lambda path: torch.save(change(net().state_dict()), path)


def without(state, name):
    return {key: tensor for key, tensor in state.items() if key != name}


def infinite(state):
    state["conv.weight"][0] = torch.inf
    return state


def undefined(state):
    state["conv.weight"][0] = torch.nan
    return state


REJECTED = {
    "a whole module": (whole_module, "a whole pickled module, which could run any code; save its state dict"),
    "a namespace": (namespace, "holds other objects than tensors (argparse.Namespace); save only the tensors"),
    "a NumPy number": (numpy_scalar, "holds other objects than tensors (numpy"),
    "code": (hostile, "holds other objects than tensors"),
    "TorchScript": (scripted, "is a TorchScript archive and not a state dict; use torchscript: for this file"),
    "nothing": (lambda path: path.write_bytes(b""), "is not a file saved by torch.save"),
    "half a file": (
        lambda path: (scripted(path), path.write_bytes(path.read_bytes()[:2000])),
        "is not a file saved by torch.save",
    ),
    "text": (lambda path: path.write_text("<html>"), "is not a file saved by torch.save"),
    "a Git LFS pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid"),
        "run: git lfs pull",
    ),
    "missing": (lambda path: path.unlink(), "does not exist; check the path of weights:"),
    "a list": (saved(lambda state: [1, 2]), "holds an object of type list and no state dict"),
    "a tensor": (saved(lambda state: torch.ones(3)), "holds a tensor and no state dict"),
    "an optimizer": (saved(lambda state: {"lr": 1, "epoch": 2}), "holds the keys lr, epoch and no state dict"),
    "no weights": (saved(lambda state: {}), "and no state dict"),
    "NaN": (saved(undefined), "holds weights that are not finite (conv.weight); use another checkpoint"),
    "infinite": (saved(infinite), "holds weights that are not finite (conv.weight)"),
    "one missing": (saved(lambda state: without(state, "fc.bias")), "1 tensors are missing (fc.bias)"),
    "one too many": (saved(lambda state: state | {"fc2.bias": torch.ones(1)}), "1 are unknown (fc2.bias)"),
    "another network": (
        saved(lambda state: {f"{name}_": state[name] for name in state}),
        "the weights are of another architecture",
    ),
    "other classes": (
        lambda path: torch.save(Net(classes=7).state_dict(), path),
        "fc.weight is (7, 6), the network needs (4, 6); the weights have 7 classes; set their number in arguments",
    ),
    "another width": (lambda path: torch.save(Net(width=9).state_dict(), path), "weights are of another architecture"),
}


@pytest.mark.parametrize(("write", "words"), REJECTED.values(), ids=REJECTED)
def test_other_files_are_reported_in_one_line(tmp_path, write, words):
    model = entry(tmp_path, net())
    write(tmp_path / "net.pth")
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        load(model)
    line = str(caught.value)
    assert words in line
    assert "net.pth" in line
    assert len(line.replace(str(tmp_path), "")) < 400
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(("ending", "words"), [(".onnx", "use onnx: for this file"), (".h5", ".ckpt, .safetensors")])
def test_other_endings_are_reported(tmp_path, ending, words):
    path = tmp_path / f"net{ending}"
    path.write_bytes(b"x")
    with pytest.raises(InvalidInput, match="has an unknown ending") as caught:
        read_weights(str(path))
    assert words in str(caught.value)


def test_damaged_safetensors_are_reported(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(InvalidInput, match=r"^[^\n]+is not a safetensors file[^\n]+$"):
        read_weights(str(path))
