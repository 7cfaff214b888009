"""Numbers that YAML takes for text are numbers wherever a number can stand, and nowhere else."""

import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config

from foolflow.workflow.config.checks import problems
from foolflow.workflow.config.numbers import with_numbers
from foolflow.workflow.config.schema import load_schema


@pytest.fixture(scope="module")
def shipped(root):
    return with_numbers(yaml.safe_load((root / "config.yaml").read_text()))


def at(config, key):
    for part in key.split("."):
        config = config[int(part) if isinstance(config, list) else part]
    return config


def changed(config, key, value):
    edited = copy.deepcopy(config)
    path, _, last = key.rpartition(".")
    inside = at(edited, path) if path else edited
    inside[int(last) if isinstance(inside, list) else last] = value
    return edited


BOARD = "studies.leaderboard.boards.0"
NUMBERS = [
    # (key, text, number)
    ("attacks.stadv.parameters.tau", "5e-2", 0.05),
    ("attacks.fgsm.parameters.epsilon", "1e-3", 0.001),
    ("attacks.fgsm.parameters.epsilon", "8/255", 8 / 255),
    ("attacks.fgsm.parameters.epsilon", "8 / 255", 8 / 255),
    ("attacks.fgsm.parameters.epsilon", "0.5/255", 0.5 / 255),
    ("attacks.fgsm.parameters.epsilon", ["1E-3", "2/255", 0.1], [0.001, 2 / 255, 0.1]),
    ("attacks.pgd.parameters.step_size", "2/255", 2 / 255),
    ("attacks.deepfool.parameters.steps", "1e2", 100),
    ("attacks.deepfool.images", "1e3", 1000),
    ("attacks.deepfool.batch_size", "64", 64),
    ("seeds", ["0", "1"], [0, 1]),
    ("models.lenet.training.learning_rate", "1e-3", 0.001),
    ("models.lenet.training.learning_rate", ".5e-2", 0.005),
    ("models.lenet.training.learning_rate", "1/1000", 0.001),
    ("models.lenet.training.epochs", "1e1", 10),
    ("models.lenet.training.patience", "1e1", 10),
    ("models.CNN.training.augmentation.pad", "2", 2),
    ("models.CNN_d.arguments.dropout", "5e-1", 0.5),
    ("models.six_conv.arguments.std", [0.2, "2e-1", "1/5"], [0.2, 0.2, 0.2]),
    ("defenses.gaussian_blur.parameters.sigma", ".5e1", 5.0),
    ("defenses.adversarial_training.training.learning_rate", "5e-4", 0.0005),
    (f"{BOARD}.epsilon", "24/255", 24 / 255),
    ("studies.detection.false_positives", "5e-2", 0.05),
    ("studies.fgsm_sweep.sweeps.0.modified_epsilon", "1/4", 0.25),
    ("studies.stadv.explorations.parameters.tau", [0.05, "5e-3"], [0.05, 0.005]),
    ("studies.minimal.perturbation.images", ["7e0"], [7]),
]


def same(found, expected):
    """Equal in value and in type: 100 is no 100.0 where an integer is needed."""
    return json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(("key", "text", "number"), NUMBERS, ids=[f"{key}={text}" for key, text, _ in NUMBERS])
def test_text_that_is_a_number_is_that_number_where_a_number_can_stand(shipped, key, text, number):
    read = with_numbers(changed(shipped, key, text))
    assert same(at(read, key), number)
    assert problems(read, load_schema()) == problems(changed(shipped, key, number), load_schema())
    assert read == changed(shipped, key, number)  # and nothing else has changed


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000),
        ("-1.5E+2", -150.0),
        ("-.5", -0.5),
        ("8/255", 8 / 255),
        ("-8 / 255", -8 / 255),
        ("1e-3/2", 0.0005),
        ({"rates": ["1e-3", {"deep": "3e-1"}]}, {"rates": [0.001, {"deep": 0.3}]}),
    ],
)
@pytest.mark.parametrize("entry", ["attacks", "defenses", "models"])
def test_what_is_passed_to_a_users_own_function_may_be_such_a_number(entry, text, number):
    field = "arguments" if entry == "models" else "parameters"
    config = {entry: {"mine": {"python": "mine.py:build", field: {"value": text}}}}
    assert same(with_numbers(config)[entry]["mine"][field]["value"], number)


def test_what_is_passed_to_another_librarys_attack_may_be_such_a_number():
    config = {"attacks": {"ddn": {"method": "foolbox:DDNAttack", "parameters": {"init_epsilon": "1e0"}}}}
    assert same(with_numbers(config)["attacks"]["ddn"]["parameters"], {"init_epsilon": 1})


@pytest.mark.parametrize(
    "text", ["3", "0.5", "007", "3e", "e3", "1/0", "1/2/3", "8 of 255", "1.2.3", "0x10", "", "nan"]
)
def test_what_is_no_such_number_stays_text_in_a_users_parameters(text):
    config = {"attacks": {"mine": {"python": "mine.py:attack", "parameters": {"value": text}}}}
    assert with_numbers(config) == config


@pytest.mark.parametrize(
    "config",
    [
        {"results": "8/255"},
        {"data_mirror": "1/2"},
        {"datasets": {"1e3": {"source": "npz", "path": "8/255", "val": 3}}},
        {"models": {"mine": {"classes": ["1e3", "1/2", "-.5", "cat"]}}},
        {"studies": {"minimal": {"models": ["1e3"], "perturbation": {"attack": "1e3"}}}},
        {"studies": {"defenses": {"evaluations": [{"title": "1/2", "name": "1e3", "models": ["5e-2"]}]}}},
    ],
)
def test_names_paths_and_titles_stay_text(config):
    assert with_numbers(config) == config


@pytest.mark.parametrize("epochs", ["1e-1", "8/255", "1.5", "many"])
def test_what_is_not_whole_is_no_integer(shipped, epochs):
    read = with_numbers(changed(shipped, "models.lenet.training.epochs", epochs))
    assert problems(read, load_schema()) == [f"models.lenet.training.epochs: {epochs!r} is not of type 'integer'"]


@pytest.mark.parametrize("tau", ["1e999", "-1e999"])
def test_a_number_beyond_every_float_is_one_line(shipped, tau):
    (line,) = problems(with_numbers(changed(shipped, "attacks.stadv.parameters.tau", tau)), load_schema())
    assert line == f"attacks.stadv.parameters.tau: {float(tau)} is not a finite number"


def test_numbers_of_the_command_line_are_numbers(shipped):
    """Snakemake reads a nested `--config` as text alone."""
    given = parse_config(["attacks={pgd: {images: 100, parameters: {epsilon: 8/255}}}", "seeds=[0, 1]"])
    assert given["seeds"] == ["0", "1"]
    read = with_numbers(given)
    assert same(read["attacks"]["pgd"], {"images": 100, "parameters": {"epsilon": 8 / 255}})
    assert same(read["seeds"], [0, 1])


def test_of_the_shipped_config_only_the_fractions_change(root, shipped):
    text = (root / "config.yaml").read_text()
    without = re.sub(r"(?:(?<=: )|(?<=, )|(?<=\[))(\d+)/255", lambda found: repr(int(found[1]) / 255), text)
    assert without != text
    assert json.dumps(yaml.safe_load(without)) == json.dumps(shipped)


def test_reading_twice_changes_nothing(shipped):
    read = with_numbers(changed(shipped, "attacks.pgd.parameters.epsilon", "8/255"))
    assert with_numbers(read) == read


def test_the_header_of_the_config_says_so(root):
    header = Path(root / "config.yaml").read_text().partition("\n\n")[0]
    assert "8/255 or 5e-2" in header
