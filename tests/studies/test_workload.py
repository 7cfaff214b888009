"""What a config makes the machine do."""

from pathlib import Path

import pytest
import yaml

from foolflow.studies.workload import timed, workload
from foolflow.workflow.config.defaults import with_defaults
from foolflow.workflow.config.numbers import with_numbers

ATTACKS = {
    "fgsm": {"method": "fgsm", "parameters": {"epsilon": 0.1}},
    "pgd": {"method": "pgd", "parameters": {"epsilon": 0.1}},
}
DEFENSES = {
    "hard": {
        "method": "adversarial_training",
        "at": ["train"],
        "parameters": {"epsilon": 0.1, "steps": 2},
        "training": {"epochs": 7},
    },
    "blur": {"method": "gaussian_blur", "at": ["test"], "parameters": {"sigma": 1}},
}


@pytest.fixture
def config():
    victims = {"dataset": "digits", "models": ["lenet"], "defenses": ["none", "hard", "blur"]}
    project = Path(__file__).parents[2]
    base = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    base["attacks"] |= ATTACKS
    base["defenses"] |= DEFENSES
    base["models"]["lenet"]["training"] = {"epochs": 3}
    base["studies"] = {
        "leaderboard": {"boards": [{"name": "first", **victims, "attacks": ["fgsm", "pgd"]}]},
        "transfer": {
            "matrices": [
                {"name": "second", "dataset": "digits", "models": ["lenet"], "defenses": ["none"], "attack": "fgsm"}
            ]
        },
    }
    return with_defaults(with_numbers(base))


def test_each_training_and_set_counts_once(config):
    first, second = workload(config)
    assert [(row["defense"], row["epochs"]) for row in first["trainings"]] == [("none", 3), ("hard", 7)]
    made = {(row["defense"], row["attack"]): row["hardened"] for row in first["attacks"]}
    assert made == {(name, attack): name == "hard" for name in ("none", "hard", "blur") for attack in ("fgsm", "pgd")}
    assert second["trainings"] == []
    assert second["attacks"] == []
    assert len(second["judgements"]) == 1


def test_a_victim_judges_each_set_of_a_study_once(config):
    boards = config["studies"]["leaderboard"]["boards"]
    boards.append(boards[0] | {"name": "again", "transfer_from": ["lenet/none"]})
    judgements = workload(config)[0]["judgements"]
    assert len(judgements) == 6 + 4  # the own sets of three victims, and the transferred ones of two


@pytest.mark.parametrize(
    ("parameters", "hardened"), [({}, False), ({"random_start": 2}, True), ({"steps": 3}, True), ({"steps": 1}, False)]
)
def test_one_step_without_a_random_start_hardens_nothing(config, parameters, hardened):
    config["defenses"]["hard"]["parameters"] = {"epsilon": 0.1} | parameters
    attacks = workload(config)[0]["attacks"]
    assert {row["hardened"] for row in attacks if row["defense"] == "hard"} == {hardened}


def test_a_supplied_model_is_not_trained(config):
    config["models"]["lenet"] = {"torchvision": "resnet18", "weights": "mine.pth"}
    assert [one["trainings"] for one in workload(config)] == [[], []]


def test_every_victim_is_timed_once(config):
    assert [row["defense"] for row in timed(config)] == ["none", "hard", "blur"]
    assert all("seed" not in row for row in timed(config))
