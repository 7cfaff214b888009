import inspect

import pytest
import torch
import yaml
from safetensors import safe_open

import foolflow
from foolflow.errors import InvalidInput
from foolflow.models.victims import build_model, build_victim, save_victim
from foolflow.workflow.config.numbers import with_numbers
from tests.conftest import DIGITS

PARAMETERS = {  # for 28 x 28 images, one channel and ten classes; counted by hand
    "stadv.A": 3_382_346,
    "stadv.B": 710_218,
    "stadv.C": 4_795_082,
    "lenet.LeNet": 21_840,
    "tutorial_lenet.TutorialLeNet": 21_840,
    "mlp.MLP": 669_706,
}


@pytest.mark.parametrize(("architecture", "count"), PARAMETERS.items())
def test_networks_have_the_published_number_of_parameters(architecture, count):
    model = build_model({"architecture": architecture}, DIGITS)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_every_model_of_the_config_can_be_built_and_returns_logits(root):
    config = with_numbers(yaml.safe_load((root / "config.yaml").read_text()))
    for name, entry in config["models"].items():
        in_colour = len(entry.get("arguments", {}).get("mean", [])) == 3
        shape = {"channels": 3, "size": 32, "classes": 10} if in_colour else DIGITS
        model = build_model(entry, shape).eval()
        logits = model(torch.rand(4, shape["channels"], shape["size"], shape["size"]))
        assert logits.shape == (4, 10)
        assert (logits < 0).any(), f"{name}: probabilities, not logits"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"architecture": "lenet.Nothing"}, "no such class"),
        ({"architecture": "os.system"}, "no such class"),
        ({"architecture": "..os.system"}, "not of the form"),
        ({"architecture": "mlp.MLP", "arguments": {"depth": 3}}, "depth"),
        ({"python": "nowhere.py:Net"}, "does not exist"),
    ],
)
def test_a_model_that_cannot_be_built_gives_a_one_line_error(entry, words):
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        build_model(entry, DIGITS)
    assert words in str(caught.value)


def save(path, model, defense=None):
    defense = defense or {}
    victim = build_victim(model, defense, DIGITS)
    save_victim(path, victim, model=model, defense=defense, shape=DIGITS)
    return victim.eval()


def test_a_victim_survives_saving_and_loading(tmp_path):
    path = tmp_path / "weights.safetensors"
    victim = save(path, {"architecture": "cnn.CNN", "arguments": {"batch_norm": True}})
    loaded = foolflow.load_victim(path)
    images = torch.rand(3, 1, 28, 28)
    assert not loaded.training
    assert torch.allclose(loaded(images), victim(images), atol=1e-6)


@pytest.mark.parametrize(
    ("saved", "same", "other"),
    [
        (28, (28, [28, 28], (28, 28)), 32),
        ([28, 28], (28, [28, 28]), [28, 32]),
        ([24, 36], ([24, 36], (24, 36)), (36, 24)),
    ],
)
def test_a_shape_may_name_its_size_in_any_way(tmp_path, saved, same, other):
    path, model = tmp_path / "weights.safetensors", {"architecture": "mlp.MLP"}
    shape = {"channels": 1, "size": saved, "classes": 10}
    save_victim(path, build_victim(model, {}, shape), model=model, defense={}, shape=shape)
    for size in same:
        foolflow.load_victim(path, shape={"size": size, "classes": 10, "channels": 1})
    for wrong in ({"size": other}, {"channels": 3}, {"classes": 9}):
        with pytest.raises(InvalidInput, match="train it on this data set"):
            foolflow.load_victim(path, shape=shape | wrong)


def test_a_defended_victim_keeps_its_filter(tmp_path):
    defense = {"method": "median_filter", "at": ["test"], "parameters": {"size": 3}}
    path = tmp_path / "weights.safetensors"
    save(path, {"architecture": "lenet.LeNet"}, defense)
    loaded = foolflow.load_victim(path)
    images = torch.zeros(1, 1, 28, 28)
    dotted = images.clone()
    dotted[0, 0, 10, 10] = 1.0  # a median filter removes a single bright pixel
    assert torch.equal(loaded(images), loaded(dotted))
    loaded.train()
    for module in loaded.modules():
        if "Dropout" in type(module).__name__:
            module.eval()
    assert not torch.equal(loaded(images), loaded(dotted))


def test_a_filter_in_front_of_other_weights_acts_at_test_by_default(tmp_path):
    path = tmp_path / "weights.safetensors"
    save(path, {"architecture": "lenet.LeNet"})
    loaded = foolflow.load_victim(path, defense={"method": "median_filter", "parameters": {"size": 3}})
    assert loaded.at == {"test"}


def test_a_users_filter_for_training_alone_is_checked_before_training(tmp_path):
    """Filters at test are in tests/bad_input/test_user_code.py."""
    file = tmp_path / "filter.py"
    file.write_text("def squeeze(images):\n    return images[:, :, 1:]\n")
    with pytest.raises(InvalidInput, match=r"^[^\n]*filter returns \(2, 1, 27, 28\)[^\n]*$"):
        build_victim({"architecture": "lenet.LeNet"}, {"python": f"{file}:squeeze", "at": ["train"]}, DIGITS)


def test_a_users_file_may_define_dataclasses(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from foolflow.models.lenet import LeNet\n"
        "@dataclass\nclass Options:\n    width: int = 3\nclass Net(LeNet):\n    pass\n"
    )
    build_model({"python": f"{file}:Net"}, DIGITS)


def test_code_named_by_a_weights_file_is_not_run(tmp_path):
    code = tmp_path / "net.py"
    flag = tmp_path / "flag"
    code.write_text(
        "from foolflow.models.lenet import LeNet\nfrom pathlib import Path\n"
        f"Path({str(flag)!r}).touch()\nclass Net(LeNet):\n    pass\n"
    )
    path = tmp_path / "weights.safetensors"
    entry = {"python": f"{code}:Net"}
    save(path, entry)
    flag.unlink()
    with pytest.raises(InvalidInput, match="pass model="):
        foolflow.load_victim(path)
    assert not flag.exists()
    foolflow.load_victim(path, model=entry)
    assert flag.exists()


def test_public_functions_document_what_they_raise():
    public = [getattr(module, name) for module in (foolflow, foolflow.attacks) for name in module.__all__]
    functions = [one for one in public if inspect.isfunction(one)]
    assert len(functions) > 15
    silent = [one.__name__ for one in functions if "Raises InvalidInput" not in inspect.getdoc(one)]
    assert silent == []


def test_tied_weights_are_saved(tmp_path):
    """A file of safetensors cannot hold tensors that share memory."""
    layer = torch.nn.Linear(4, 4)
    network = torch.nn.Sequential(layer, layer)
    path = tmp_path / "weights.safetensors"
    save_victim(path, network, model={"python": "mine.py:net"}, defense={}, shape=DIGITS)
    with safe_open(path, "pt") as file:
        assert torch.equal(file.get_tensor("0.weight"), file.get_tensor("1.weight"))
