"""A network that the user supplies becomes a victim, or one line says why it cannot."""

import copy
import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from foolflow import attacks
from foolflow.compute.freezing import frozen
from foolflow.data.splits import Split
from foolflow.defenses.filtered import Filtered
from foolflow.errors import InvalidInput
from foolflow.models.kinds import is_supplied, model_files, of_one_victim, without_training
from foolflow.models.supplied import load_supplied
from foolflow.models.victims import build_victim, save_victim, victim_of
from tests.models.supplying import entry, net

NAMES = ("ant", "bee", "cow", "dog")
IMAGES = torch.rand(5, 3, 12, 20, generator=torch.Generator().manual_seed(3))


def load(model, channels=3, size=(12, 20), class_names=NAMES, **more):
    return load_supplied(model, channels=channels, size=list(size), class_names=class_names, **more)


def rejected(model, words, **more):
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        load(model, **more)
    assert words in str(caught.value)
    return str(caught.value)


def test_the_victim_returns_the_networks_logits(tmp_path):
    network = net()
    found = load(entry(tmp_path, network, mean=[0.4, 0.5, 0.6], std=[0.2]))
    normalised = (IMAGES - torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1)) / 0.2
    assert torch.allclose(found.victim(IMAGES), network(normalised), atol=1e-5)
    assert found.class_names == NAMES
    assert found.notices == ()
    assert not any(module.training for module in found.victim.modules())
    assert not any(parameter.requires_grad for parameter in found.victim.parameters())


def test_the_victims_gradient_is_the_networks(tmp_path):
    network = net()
    victim = load(entry(tmp_path, network, mean=[0.5], std=[0.25])).victim
    one, other = IMAGES.clone().requires_grad_(), IMAGES.clone().requires_grad_()
    victim(one)[:, 0].sum().backward()
    network((other - 0.5) / 0.25)[:, 0].sum().backward()
    assert one.grad is not None
    assert torch.allclose(one.grad, other.grad, atol=1e-6)


def test_an_attack_runs_on_a_victim_and_leaves_it_unchanged(tmp_path):
    victim = load(entry(tmp_path, net())).victim
    before = copy.deepcopy(victim.state_dict())
    labels = victim(IMAGES).argmax(1)
    with frozen(victim):
        found = attacks.pgd(victim, IMAGES, labels, epsilon=0.3, steps=20)
    assert found.success.any()
    assert all(torch.equal(before[name], value) for name, value in victim.state_dict().items())


FORWARDS = {
    "a tuple": "return logits, x",
    "a list with features first": "return [x, logits]",
    "a dict of logits": "return {'features': x, 'logits': logits}",
    "a dict of out": "return {'out': logits, 'aux': -logits}",
    "a dict of one tensor": "return {'y': logits}",
    "an object": "return type('Output', (), {'logits': logits})()",
    "double": "return logits.double()",
    "half": "return logits.half().float()",
    "bfloat16 autocast inside": "with torch.autocast('cpu', torch.bfloat16):\n            return self.body(x)",
    "1 x 1 maps": "return logits[:, :, None, None]",
    "it writes into its input": "x.zero_(); return logits",
}


@pytest.mark.parametrize("forward", FORWARDS.values(), ids=FORWARDS)
def test_every_usual_output_is_read(tmp_path, forward):
    network = net()
    images = IMAGES.clone()
    victim = load(entry(tmp_path, network, forward)).victim
    logits = victim(images)
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, network(IMAGES), atol=0.05 if "half" in forward or "bfloat16" in forward else 1e-5)
    assert torch.equal(images, IMAGES)


OTHER_OUTPUTS = {
    "nothing": ("return None", "returns a NoneType; wrap the network"),
    "a text": ("return 'cat'", "returns a str"),
    "a tuple of two alike": ("return logits, -logits", "returns 2 tensors, of which 2 have the shape (1, 4)"),
    "a dict of several": ("return {'a': logits, 'b': logits}", "returns a dict of a, b"),
    "one column": ("return logits[:, :1]", "one number per image; if z is that number before a sigmoid, wrap it"),
    "one number": ("return logits[:, 0]", "torch.stack([0 * z, z], 1)"),
    "a map": ("return x", "returns (1, 3, 12, 20) for 1 images"),
    "NaN": ("return logits / 0 * 0", "returns logits that are not finite"),
}


@pytest.mark.parametrize(("forward", "words"), OTHER_OUTPUTS.values(), ids=OTHER_OUTPUTS)
def test_other_outputs_are_reported(tmp_path, forward, words):
    rejected(entry(tmp_path, net(), forward), words)


def test_a_network_with_several_outputs_says_which_are_the_logits(tmp_path):
    network = net()
    found = load(entry(tmp_path, network, "return logits, x.mean((2, 3))"))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-5)
    (notice,) = found.notices
    assert notice.endswith("returns 2 outputs; the first, with 4 columns, is taken as the logits.")


def test_an_error_of_the_users_network_names_its_line(tmp_path):
    line = rejected(entry(tmp_path, net(), "raise KeyError('no')"), "fails on images of 3 x 12 x 20 pixels: KeyError")
    assert f"({tmp_path / 'net.py'}, line 16)" in line


def test_constant_images_may_have_logits_that_are_not_finite(tmp_path):
    """A network may divide by the contrast of an image. Natural images have some."""
    model = entry(tmp_path, net(), "return logits / x.flatten(1).var(1, keepdim=True)")
    assert load(model).victim(IMAGES).isfinite().all()


SOFTMAXES = {
    "functional": "return torch.softmax(logits, 1)",
    "method": "return logits.softmax(-1)",
    "module": "return nn.Softmax(dim=1)(logits)",
    "keyword": "return nn.functional.softmax(input=logits, dim=1)",
    "in a tuple": "return logits.softmax(1), x",
    "in a dict": "return {'logits': logits.softmax(1)}",
    "before a reshape": "return logits.softmax(1).view(len(x), -1, 1, 1).squeeze()",
    "after another one": "torch.softmax(-3 * logits, 1); return torch.softmax(logits, 1)",
    "before another one": "p = torch.softmax(logits, 1); torch.softmax(-3 * logits, 1); return p",
    "with attention": "a = x.flatten(2); a @ torch.softmax(a.mT @ a, 2); return logits.softmax(1)",
}


@pytest.mark.parametrize("forward", SOFTMAXES.values(), ids=SOFTMAXES)
def test_a_final_softmax_is_removed(tmp_path, forward):
    network = net()
    found = load(entry(tmp_path, network, forward))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-5)
    (notice,) = found.notices
    assert "ends in a softmax; it was removed" in notice


def test_the_gradient_is_that_of_the_logits(tmp_path):
    """Where a softmax saturates, its gradient is 0 and attacks find nothing."""
    network = net()
    with torch.no_grad():
        network.fc.weight *= 1000
    victim = load(entry(tmp_path, network, "return torch.softmax(logits, 1)")).victim
    images = IMAGES.clone().requires_grad_()
    victim(images).max(1).values.sum().backward()
    assert (images.grad != 0).any(dim=(1, 2, 3)).all()


@pytest.mark.parametrize("forward", ["p = (logits - 30).exp(); return p / p.sum(1, keepdim=True)"])
def test_a_softmax_that_cannot_be_removed_is_reported(tmp_path, forward):
    rejected(entry(tmp_path, net(), forward), "ends in a softmax that cannot be removed, and attacks need the logits")


def test_log_softmax_is_left_alone(tmp_path):
    network = net()
    found = load(entry(tmp_path, network, "return torch.log_softmax(logits, 1)"))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES).log_softmax(1), atol=1e-5)
    assert found.notices == ()


def test_a_sigmoid_is_reported(tmp_path):
    (notice,) = load(entry(tmp_path, net(), "return torch.sigmoid(logits)")).notices
    assert "ends in a sigmoid" in notice
    assert load(entry(tmp_path, net(), "return torch.sigmoid(logits).clamp(0.1, 0.9)")).notices == ()


def test_outputs_are_put_into_the_order_of_the_data_set(tmp_path):
    network = net(classes=6)
    classes = ["dog", "elk", "Ant", "fox", "bee", "cow"]
    found = load(entry(tmp_path, network, arguments={"classes": 6}, classes=classes))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES)[:, [2, 4, 5, 0, 1, 3]], atol=1e-5)
    assert found.class_names == ("ant", "bee", "cow", "dog", "elk", "fox")


def test_names_change_without_the_weights(tmp_path):
    """Nothing is kept between two loads."""
    model = entry(tmp_path, net(), classes=list(NAMES))
    one = load(model).victim(IMAGES)
    other = load(model | {"classes": list(NAMES[::-1])}).victim(IMAGES)
    assert torch.allclose(one, other.flip(1))
    torch.save(net(seed=1).state_dict(), model["weights"])
    assert torch.allclose(load(model).victim(IMAGES), net(seed=1)(IMAGES), atol=1e-5)


@pytest.mark.parametrize("classes", [2, 1000])
def test_few_and_many_classes(tmp_path, classes):
    network = net(classes=classes)
    names = [f"c{i:04}" for i in range(classes)]
    found = load(entry(tmp_path, network, arguments={"classes": classes}), class_names=names, size=(7, 30))
    images = torch.rand(3, 3, 7, 30)
    assert torch.allclose(found.victim(images), network(images), atol=1e-4)


def test_grey_images_for_a_network_of_rgb(tmp_path):
    network = net()
    found = load(entry(tmp_path, network), channels=1)
    grey = IMAGES[:, :1].clone().requires_grad_()
    assert torch.allclose(found.victim(grey), network(grey.expand(-1, 3, -1, -1)), atol=1e-5)
    found.victim(grey).sum().backward()
    assert grey.grad is not None
    assert any("takes RGB images" in notice for notice in found.notices)


def test_rgb_images_for_a_grey_network(tmp_path):
    network = net(channels=1)
    found = load(entry(tmp_path, network, arguments={"channels": 1}))
    pixels = (IMAGES * 255).byte()
    grey = [np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")) for image in pixels]
    expected = network(torch.from_numpy(np.stack(grey))[:, None].float() / 255)
    assert torch.allclose(
        found.victim(pixels.float() / 255), expected, atol=0.02 * float(expected.detach().abs().max())
    )
    (notice,) = found.notices
    assert "takes grey images; the data set's images are converted to grey (ITU-R 601)" in notice


def test_the_number_of_means_tells_the_channels(tmp_path):
    network = net()
    found = load(entry(tmp_path, network, mean=[0.1, 0.2, 0.3], std=[1.0]), channels=1)
    grey = IMAGES[:, :1]
    expected = network(grey - torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1))
    assert torch.allclose(found.victim(grey), expected, atol=1e-5)
    rejected(entry(tmp_path, network, mean=[0.1, 0.2]), "mean: 2 numbers; give one, or one for each")


ALONE = {
    "it fails on two": "assert len(x) == 1; return logits",
    "it takes only the first": "return logits[:1].expand(len(x), -1)",
    "statistics of the batch": "return logits - logits.mean(0) if len(x) > 1 else logits",
}


@pytest.mark.parametrize("forward", ALONE.values(), ids=ALONE)
def test_an_images_logits_depend_on_that_image_alone(tmp_path, forward):
    network = net()
    found = load(entry(tmp_path, network, forward))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-5)
    (notice,) = found.notices
    assert "a batch runs image by image" in notice


def test_a_random_network_is_taken_as_it_is(tmp_path):
    """`inspect` reports it."""
    found = load(entry(tmp_path, net(), "return logits + torch.randn_like(logits)"))
    assert found.notices == ()
    assert not torch.equal(found.victim(IMAGES), found.victim(IMAGES))


def test_double_and_half_networks_take_and_return_float32(tmp_path):
    network = net().double()
    (tmp_path / "double.py").write_text("from net import Net\ndef double():\n    return Net().double()\n")
    model = entry(tmp_path, network)
    victim = load(model | {"python": f"{tmp_path / 'double.py'}:double"}).victim
    assert torch.allclose(victim(IMAGES), network(IMAGES.double()).float(), atol=1e-6)
    (tmp_path / "half.py").write_text("from net import Net\ndef half():\n    return Net().half()\n")
    torch.save(net().half().state_dict(), model["weights"])
    victim = load(model | {"python": f"{tmp_path / 'half.py'}:half"}).victim
    expected = net().half().float()(IMAGES)
    assert victim(IMAGES).dtype == torch.float32
    assert torch.allclose(victim(IMAGES), expected, atol=1e-5)


BUILDERS = {
    "no module": ("def f():\n    return 3", "is a int; the function must return a torch.nn.Module"),
    "it fails": ("def f():\n    raise OSError('a\\nb')", "failed: OSError: a b ("),
    "other arguments": ("def f(depth):\n    pass", "missing 1 required positional argument: 'depth'"),
    "an import that fails": ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
}


@pytest.mark.parametrize(("text", "words"), BUILDERS.values(), ids=BUILDERS)
def test_a_function_that_builds_no_network_is_reported(tmp_path, text, words):
    model = entry(tmp_path, net())
    (tmp_path / "f.py").write_text(text)
    rejected(model | {"python": f"{tmp_path / 'f.py'}:f"}, words)


def test_global_generators_are_left_alone(tmp_path):
    model = entry(tmp_path, net())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load(model)
    assert torch.equal(torch.rand(3), expected)


def test_files_are_never_written(tmp_path):
    model = entry(tmp_path, net())
    before = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.iterdir() if file.is_file()}
    load(model)
    after = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.iterdir() if file.is_file()}
    assert after == before


MEDIAN = {"method": "median_filter", "at": ["test"], "parameters": {"size": 3}}


def test_a_filter_stands_in_front_of_the_network(tmp_path):
    model = entry(tmp_path, net())
    victim = load(model, defense=MEDIAN).victim
    assert isinstance(victim, Filtered)
    dotted = torch.zeros(1, 3, 12, 20)
    dotted[0, :, 6, 6] = 1
    assert torch.equal(victim(dotted), victim(torch.zeros(1, 3, 12, 20)))
    assert not torch.equal(load(model).victim(dotted), load(model).victim(torch.zeros(1, 3, 12, 20)))


@pytest.mark.parametrize(
    "defense",
    [
        {"method": "adversarial_training", "at": ["train"], "parameters": {"epsilon": 0.1}},
        MEDIAN | {"at": ["train", "test"]},
    ],
)
def test_a_defense_that_needs_training_is_rejected(tmp_path, defense):
    rejected(entry(tmp_path, net()), "supplied models", defense=defense)


@pytest.mark.parametrize("channels", [1, 3])
def test_our_own_victims_can_be_supplied(tmp_path, channels):
    """On images with other channels, too: the file knows what it was trained for."""
    model, shape = {"architecture": "cnn.CNN", "arguments": {"filters": [4]}}, {"channels": 1, "size": 8, "classes": 4}
    trained = build_victim(model, {}, shape).eval()
    path = tmp_path / "ours.safetensors"
    save_victim(path, trained, model=model, defense={}, shape=shape)
    found = load(model | {"weights": str(path)}, channels=channels, size=(8, 8))
    grey = torch.rand(2, 1, 8, 8)
    assert torch.allclose(found.victim(grey.expand(-1, channels, -1, -1)), trained(grey), atol=1e-4)
    rejected(model | {"weights": str(path)}, "images of 8 x 8 pixels; set size: [8, 8]", channels=1, size=(9, 9))
    torch.save(trained.state_dict(), tmp_path / "ours.pth")
    bare = load(model | {"weights": str(tmp_path / "ours.pth")}, channels=channels, size=(8, 8))
    assert torch.allclose(bare.victim(grey.expand(-1, channels, -1, -1)), trained(grey), atol=1e-4)
    words = "the weights are of another architecture, other arguments or another image size"
    rejected({"architecture": "mlp.MLP", "weights": str(path)}, words, channels=1, size=(8, 8))


def test_a_victim_without_a_linear_layer_can_be_supplied(tmp_path):
    """The number of classes is in the file."""
    model, shape = {"architecture": "caps_net.CapsNet"}, {"channels": 1, "size": 18, "classes": 4}
    trained = build_victim(model, {}, shape).eval()
    path = tmp_path / "ours.safetensors"
    save_victim(path, trained, model=model, defense={}, shape=shape)
    images = torch.rand(2, 1, 18, 18)
    found = load(model | {"weights": str(path)}, channels=1, size=(18, 18))
    assert torch.allclose(found.victim(images), trained(images), atol=1e-4)


def test_the_programs_call_is_the_same_for_supplied_and_trained_victims(tmp_path):
    split = Split(np.zeros((3, 1, 8, 8), np.uint8), np.zeros(3, np.int64), ("a", "b"))
    model = {"architecture": "mlp.MLP", "arguments": {"widths": [4]}, "training": {"epochs": 1}}
    trained = build_victim(model, {}, split.shape).eval()
    path = tmp_path / "weights.safetensors"
    save_victim(path, trained, model=model, defense={}, shape=split.shape)
    one = victim_of(split, model=model, defense={}, weights=path)
    supplied = {"architecture": "mlp.MLP", "arguments": {"widths": [4]}, "weights": str(path)}
    other = victim_of(split, model=supplied, defense={})
    images = torch.rand(2, 1, 8, 8)
    assert one.class_names == other.class_names == ("a", "b")
    assert one.notices == other.notices == ()
    assert torch.allclose(one.victim(images), other.victim(images), atol=1e-6)
    with pytest.raises(InvalidInput, match="weights are needed"):
        victim_of(split, model=model, defense={})


def test_the_files_of_a_model(tmp_path):
    for name in ("a.pth", "names.txt", "table.csv"):
        (tmp_path / name).touch()
    weights, names, table = (str(tmp_path / name) for name in ("a.pth", "names.txt", "table.csv"))
    model = {"python": "net.py:Net", "weights": weights, "classes": names}
    model["arguments"] = {"table": [table], "mode": "fast", "width": 3, "absent": "b.pth", "long": "x" * 5000}
    assert model_files(model) == [weights, names, table]
    assert is_supplied(model)
    assert not is_supplied({"architecture": "mlp.MLP", "training": {}})
    assert model_files({"architecture": "mlp.MLP", "training": {}}) == []
    assert model_files({"torchscript": "no.pt", "classes": ["a", "b"]}) == ["no.pt"]


def test_how_many_seeds_a_model_is_trained_with_concerns_no_victim():
    built = {"architecture": "mlp.MLP", "arguments": {"widths": [8]}}
    trained = built | {"training": {"epochs": 3, "learning_rate": 0.1}}
    assert of_one_victim(trained | {"one_seed": True}) == of_one_victim(trained) == trained
    assert without_training(trained | {"one_seed": True}) == built


def test_code_that_reads_strides_keeps_its_layout(tmp_path):
    network = net()
    found = load(entry(tmp_path, network, "self.conv(x).view(len(x), -1); return logits"))
    assert torch.allclose(found.victim(IMAGES), network(IMAGES), atol=1e-5)


@pytest.mark.parametrize("mode", ["inference", "autocast", "double"])
def test_the_callers_modes_change_nothing(tmp_path, mode):
    network = net()
    model = entry(tmp_path, network)
    try:
        if mode == "inference":
            with torch.inference_mode():
                victim = load(model).victim
        elif mode == "autocast":
            with torch.autocast("cpu", torch.bfloat16):
                victim = load(model).victim
        else:
            torch.set_default_dtype(torch.float64)
            victim = load(model).victim
    finally:
        torch.set_default_dtype(torch.float32)
    images = IMAGES.clone().requires_grad_()
    logits = victim(images)
    assert torch.allclose(logits, network(IMAGES), atol=1e-5)
    logits.sum().backward()
    assert images.grad is not None


def test_a_filter_that_fails_is_reported(tmp_path):
    (tmp_path / "filter.py").write_text("def f(images):\n    return images / 0 * 0\n")
    defense = {"python": f"{tmp_path / 'filter.py'}:f", "at": ["test"]}
    rejected(entry(tmp_path, net()), "the logits for filtered images are not finite", defense=defense)
    (tmp_path / "filter.py").write_text("def f(images):\n    raise KeyError('no')\n")
    rejected(entry(tmp_path, net()), "KeyError: 'no'", defense=defense)
