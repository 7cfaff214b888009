"""A user's own model, attack or filter that is missing, raises, or returns unusable values."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from foolflow.models.victims import build_victim, save_victim
from tests.bad_input.conftest import CLASSES, SHAPE, Site, run_inside, table

NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, channels, size, classes):
        super().__init__()
        {init}
        self.layer = nn.Linear(channels * size * size, classes)
    def forward(self, images):
        logits = self.layer(images.flatten(1))
        {forward}
"""


def net(forward: str = "return logits", init: str = "pass", **entry):
    """Train the user's network."""

    def make(site: Site) -> list:
        file = site.write("net.py", NET.format(init=init, forward=forward))
        return site.train(**{"python": f"{file}:Net"} | entry)

    return make


def net_file(text: str, name: str = "Net"):
    def make(site: Site) -> list:
        return site.train(python=f"{site.write('net.py', text)}:{name}")

    return make


def missing_file(site: Site) -> list:
    return site.train(python="nowhere.py:Net")


def diverging(site: Site) -> list:
    return site.train(training={"epochs": 1, "learning_rate": 1e30, "optimizer": "sgd", "precision": "float32"})


@table(
    ("a missing file", missing_file, "'nowhere.py:Net' names a file that does not exist"),
    ("another name", net_file("x = 1"), "net.py has no 'Net'"),
    ("a syntax error", net_file("class Net(:\n"), "net.py cannot be imported: SyntaxError"),
    ("an import that raises", net_file("1 / 0"), "cannot be imported: ZeroDivisionError", "net.py, line 1)"),
    ("a missing library", net_file("\nimport no_such"), "ModuleNotFoundError: No module named 'no_such'", "line 2)"),
    ("an import that exits", net_file("import sys\nsys.exit(0)"), "net.py cannot be imported: SystemExit: 0"),
    ("not a module", net_file("def Net(*shape):\n    return 3"), "is a int, not a torch.nn.Module"),
    ("not a class", net_file("Net = 3"), "cannot be built for 1 x 8 x 8 pixels"),
    ("arguments that it does not accept", net(arguments={"depth": 3}), "cannot be built", "'depth'"),
    ("it raises when built", net(init="raise OSError('a\\nb')"), "cannot be built", "OSError: a b (", "net.py, line"),
    (
        "it raises",
        net("raise KeyError('no')"),
        "fails on images of 1 x 8 x 8 pixels and 4 classes: KeyError: 'no' (",
        "net.py, line 11)",
    ),
    ("it raises in training", net("assert not self.training; return logits"), "AssertionError (", "net.py, line 11)"),
    ("it exits in training", net("if self.training: exit(0)\n        return logits"), "SystemExit: 0 (", "line 11)"),
    ("wrong shape", net("return logits[:, :3]"), "returns (2, 3) for 2 images; (2, 4) logits are needed"),
    ("nothing", net("pass"), "returns NoneType for 2 images"),
    ("NaN", net("return logits * float('nan')"), "returns logits that are not finite"),
    ("NaN in training", net("return logits / (not self.training)"), "lower the learning rate"),
    ("it diverges", diverging, "the val loss is nan after epoch 1: lower the learning rate of this model"),
)
def test_models(refused, case):
    refused(case)


def larger(forward: str, call=Site.judge):
    """Use a victim that passes the check, which has two images, and fails on more images."""

    def make(site: Site) -> list:
        file = site.write("net.py", NET.format(init="pass", forward="return logits"))
        entry = {"python": f"{file}:Net", "training": {"epochs": 1}}
        save_victim(site.weights, build_victim(entry, {}, SHAPE), model=entry, defense={}, shape=SHAPE)
        site.write("net.py", NET.format(init="pass", forward=f"if len(images) == 2: return logits\n        {forward}"))
        return call(site, model=entry)

    return make


@table(
    ("wrong number, measured", larger("return logits[:3]"), "the model returns (3, 4) for 20 images"),
    ("NaN, measured", larger("return logits / 0"), "the model returns logits that are not finite"),
    ("it raises, measured", larger("raise KeyError('no')"), "your own code failed: KeyError: 'no' (", "line 12)"),
    (
        "wrong number, attacked",
        larger("return logits[:3]", Site.run_attack),
        "the network returns (3, 4) for 20 images",
    ),
    ("NaN, attacked", larger("return logits * float('nan')", Site.run_attack), "logits that are not finite"),
    ("it raises, attacked", larger("raise KeyError", Site.run_attack), "your own code failed: KeyError (", "line 12)"),
)
def test_victims(refused, case):
    refused(case)


def attack(body: str, **entry):
    """Run the user's attack on the victim."""

    def make(site: Site) -> list:
        head = "import torch\nfrom foolflow.attacks.base import Adversarial, conclude\n"
        file = site.write("mine.py", f"{head}def attack(model, images, labels):\n    {body}\n")
        return site.run_attack({"python": f"{file}:attack"} | entry)

    return make


def adversarial(change: str) -> str:
    """Return the body of an attack that returns a valid Adversarial, except for `change`."""
    valid = "valid = conclude(model, images, labels, None, 0 * labels, 0 * labels)"
    return f"{valid}; return Adversarial(**vars(valid) | {change})"


@table(
    ("it raises", attack("raise KeyError('no')"), "mine.py:attack failed: KeyError: 'no'", "mine.py, line 4)"),
    ("it raises an error of several lines", attack("raise ValueError('a\\n\\n  b')"), "failed: ValueError: a b ("),
    ("it exits", attack("raise SystemExit('enough')"), "your own code failed: SystemExit: enough"),
    ("it takes no epsilon", attack("return images", parameters={"epsilon": 0.1}), "unexpected keyword", "'epsilon'"),
    ("it takes no targets", attack("return images", targets="random"), "unexpected keyword", "'targets'"),
    ("wrong shape", attack("return images[:3]"), "returns torch.float32 (3, 1, 8, 8); expected an Adversarial or"),
    ("wrong type", attack("return images.double()"), "returns torch.float64"),
    ("not a tensor", attack("return images.numpy()"), "returns ndarray"),
    ("nothing", attack("pass"), "returns NoneType"),
    ("above 1", attack("return images + 0.5"), "returns images that leave [0, 1] or are not finite"),
    ("below 0", attack("return images - 0.5"), "returns images that leave [0, 1] or are not finite"),
    ("NaN", attack("return images * float('nan')"), "returns images that leave [0, 1] or are not finite"),
    ("Adversarial: few images", attack(adversarial("{'images': images[:3]}")), "returns images (3, 1, 8, 8); expected"),
    ("Adversarial: arrays", attack(adversarial("{'images': images.numpy()}")), "returns images ndarray; expected"),
    ("Adversarial: no predictions", attack(adversarial("{'predictions': None}")), "returns predictions NoneType"),
    ("Adversarial: no success", attack(adversarial("{'success': True}")), "returns success bool"),
    ("Adversarial: no details", attack(adversarial("{'details': None}")), "returns details NoneType; expected a dict"),
    (
        "Adversarial: details that we measure",
        attack(adversarial("{'details': {'linf': 0.0 * labels, 'index': labels, 'mine': labels}}")),
        "details that Foolflow measures itself: index, linf; rename them",
    ),
    (
        "Adversarial: few rows",
        attack(adversarial("{'iterations': labels[:3]}")),
        "returns iterations (3,); expected one row for each of 20",
    ),
    (
        "Adversarial: no tensors",
        attack(adversarial("{'details': {'x': 3}}")),
        "returns x int; expected one row for each of 20",
    ),
    ("a target that is not a class", attack("return images", targets=7), "targets: 7 is not a class", "0 to 3"),
    ("none left to attack", attack("return images", targets=0, images=1), "all 1 selected images are of class 0"),
)
def test_attacks(refused, case):
    refused(case)


def test_a_failing_peer_gives_one_line(site):
    """A library raises if it receives unusable parameters."""
    pytest.importorskip("foolbox")
    code, output = run_inside(*site.run_attack({"method": "foolbox:L2FMNAttack", "parameters": {"steps": "many"}}))
    assert code == 1
    assert output.splitlines()[-1].startswith("error: attack foolbox:L2FMNAttack failed: TypeError: ")
    assert "Traceback" not in output


def records(site: Site, call: list) -> pd.DataFrame:
    """Run an attack, judge its images with the victim, and return the records."""
    victim = {part: entry for part, entry in json.loads(call[2]).items() if part != "attack"}
    for one in (call, site.judge(**victim)):
        code, output = run_inside(*one)
        assert code == 0, output
    return pd.read_parquet(site.judgement / "records.parquet")


def test_an_attack_that_edits_in_place_is_measured_against_the_original_images(site):
    edited = records(site, attack("labels.zero_(); return images.mul_(0.5)")(site))
    pixels = load_file(site.data / "test.safetensors")["images"][:, 0] / 255
    assert edited["l2"].to_numpy() == pytest.approx(np.linalg.norm((pixels / 2).reshape(20, -1), axis=1), rel=1e-5)
    assert edited["label"].tolist() == [place % CLASSES for place in range(20)]


def test_an_attack_does_not_change_the_model(site):
    dropout = {"architecture": "mlp.MLP", "arguments": {"dropout": 0.9}, "training": {"epochs": 1}}
    torch.manual_seed(0)
    save_victim(site.weights, build_victim(dropout, {}, SHAPE), model=dropout, defense={}, shape=SHAPE)
    both = []
    for body in ("return images", "model.train(); return images"):
        call = attack(body)(site)
        spec = json.loads(call[2]) | {"model": dropout}
        both.append(records(site, [*call[:2], json.dumps(spec), *call[3:]])["prediction"].tolist())
    assert both[0] == both[1]


def images_filter(body: str, call=Site.judge):
    """Put the user's filter in front of the victim."""

    def make(site: Site) -> list:
        file = site.write("squeeze.py", f"import torch\ndef squeeze(images):\n    {body}\n")
        return call(site, defense={"python": f"{file}:squeeze", "at": ["test"]})

    return make


def built_in(method: str, **parameters):
    """Put a filter of Foolflow in front of the victim."""
    return lambda site: site.judge(defense={"method": method, "at": ["test"], "parameters": parameters})


@table(
    ("it raises", images_filter("raise KeyError('no')"), "squeeze failed: KeyError: 'no' (", "squeeze.py, line 3)"),
    ("wrong shape", images_filter("return images[:, :, 1:]"), "filter returns (2, 1, 7, 8) for images"),
    ("nothing", images_filter("pass"), "filter returns NoneType"),
    ("a fraction of a bit", built_in("bit_depth", bits=1.5), "bits must be a whole number from 1 to 8, not 1.5"),
    ("NaN", images_filter("return images * float('nan')"), "returns logits that are not finite"),
    (
        "it raises later",
        images_filter("assert len(images) == 2; return images", Site.run_attack),
        "squeeze failed: AssertionError (",
    ),
    (
        "it raises later, without a gradient",
        images_filter("if len(images) > 2: raise RuntimeError('a\\nb')\n    return images", Site.judge),
        "squeeze failed: RuntimeError: a b (",
    ),
    (
        "wrong shape later",
        images_filter("return images if len(images) == 2 else images[:5]", Site.judge),
        "filter returns (5, 1, 8, 8) for images of shape (20, 1, 8, 8)",
    ),
)
def test_filters(refused, case):
    refused(case)


def test_a_filter_that_edits_in_place_does_not_change_its_input(site):
    """This also holds while an attack takes a gradient, where in-place edits are not allowed."""
    edited, copied = (
        records(site, images_filter(body, Site.run_attack)(site))
        for body in ("return images.clamp_(0.2, 0.8)", "return images.clamp(0.2, 0.8)")
    )
    assert edited.equals(copied)
    assert (copied["linf"] > 0).all()
