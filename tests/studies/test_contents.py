"""What the page shows of each study."""

import re

import pytest
import torch
import yaml

from foolflow.defenses.bit_depth import bit_depth
from foolflow.studies.contents import boards, contents, judged, read_by_page
from foolflow.studies.robustness import robustness_attacks
from foolflow.studies.stadv import explored_attacks
from foolflow.workflow.config.defaults import with_defaults
from foolflow.workflow.config.numbers import with_numbers


def complete(given):
    config = with_defaults(with_numbers(given))
    config["attacks"] |= explored_attacks(config) | robustness_attacks(config)
    return config


@pytest.fixture(scope="module")
def config(root):
    return complete(yaml.safe_load((root / "config.yaml").read_text(encoding="utf-8")))


def test_each_study_has_a_section_in_the_order_of_the_config(config):
    assert [one["name"] for one in contents(config)] == list(config["studies"])


def test_a_section_asks_a_question_says_what_was_done_and_lists_its_exhibits(config):
    for one in contents(config):
        assert one["question"].endswith("?")
        assert {"Data", "Models", "Attacks"} <= {heading for heading, _ in one["setup"]}
        assert one["tables"]
        assert all(exhibit["caption"].rstrip(".`)").strip() for exhibit in [*one["tables"], *one["figures"]])
        assert all(exhibit["title"][0] == exhibit["title"][0].upper() for exhibit in one["figures"])
        names = [exhibit["name"] for exhibit in one["figures"]]
        assert len(names) == len(set(names))


def test_the_title_of_a_figure_says_what_it_shows_and_keeps_the_names_of_the_config(config):
    titles = {figure["name"]: figure["title"] for one in contents(config) for figure in one["figures"]}
    assert titles["transfer/mnist_zoo"].startswith("Transfer matrix mnist_zoo: ")
    assert titles["leaderboard/cifar10_linf"].startswith("Board cifar10_linf: ")
    assert titles["stadv_flow_budget"].startswith("Accuracy against a budget of flow: ")
    assert titles["flow_budget/mnist_stadv/stadv_any"].startswith("Accuracy under stadv_any against a budget of flow: ")
    names = {name.casefold() for part in ("attacks", "models", "datasets") for name in config[part]}
    names |= {one["name"].casefold() for one in config["studies"]["leaderboard"]["boards"]}
    names |= {one["name"].casefold() for one in config["studies"]["transfer"]["matrices"]}
    assert not {re.split("[ :]", title)[0].casefold() for title in titles.values()} & names


def test_no_two_figures_of_a_section_have_the_same_title(config):
    robust = {"dataset": "photos", "models": ["mine"], "defenses": ["none", "jpeg"], "norm": "linf", "epsilon": "8/255"}
    given = {
        "models": {"mine": {"architecture": "lenet.LeNet", "training": {"epochs": 1}}},
        "datasets": {"photos": {"source": "folder", "path": "photos", "val": 10}},
        "defenses": {"jpeg": {"method": "jpeg", "at": ["test"], "parameters": {"quality": 75}}},
        "studies": {"robustness": robust | {"seeds": [0, 1]}},
    }
    for section in [*contents(config), *contents(complete(given))]:
        titles = [figure["title"] for figure in section["figures"]]
        assert len(titles) == len(set(titles)), section["name"]
    assert "Eight images (defense jpeg, seed 1): mine on photos" in titles


def test_the_setup_describes_what_the_config_says(config):
    setup = {one["name"]: dict(one["setup"]) for one in contents(config)}
    assert ("fgsm", "fgsm with epsilon 0.1, norm linf, at most 1,000 images") in setup["robustness"]["Attacks"]
    assert ("mnist", "test split") in setup["robustness"]["Data"]
    filters = dict(setup["defenses"]["Defenses"])
    assert filters["median_2"] == "median_filter with size 2; filters the input"
    assert filters["bit_depth_4"] == "bit_depth with bits 4; filters the input; has no gradient"
    assert filters["jpeg"].startswith("jpeg with quality 75; filters the input; libjpeg in the forward pass")
    assert [name for name, _ in setup["minimal"]["Defenses"]] == ["pgd_training"]
    assert ("pdpgd_linf", "advlib:pdpgd with norm ∞, num_steps 500, 200 images") in setup["minimal"]["Attacks"]
    assert "Defenses" not in setup["stadv"]
    trained = dict(setup["minimal"]["Models"])["MLP_d"]
    assert trained == "architecture mlp.MLP with dropout 0.3, trained here for at most 12 epochs"
    assert "pgd_undetected_mnist" in dict(setup["detection"]["Attacks"])


@pytest.mark.parametrize("parameters", [{"tau": 0.05}, {"tau": "auto", "kappa": 5}])
def test_only_a_stadv_that_minimises_the_flow_has_a_curve_against_a_budget_of_it(config, parameters):
    fixed = {name: {**config["attacks"][name], "parameters": parameters} for name in ("stadv", "stadv_any")}
    for given, shown in ((config, True), ({**config, "attacks": config["attacks"] | fixed}, False)):
        names = {figure["name"] for one in contents(given) for figure in one["figures"]}
        assert {"stadv_flow_budget", "flow_budget/mnist_stadv/stadv_any"} & names == (
            {"stadv_flow_budget", "flow_budget/mnist_stadv/stadv_any"} if shown else set()
        )


def test_static_stadv_goes_beyond_the_decision_boundary(config):
    """On the boundary, any change of an image undoes the attack, so that every filter would look like a defense."""
    evaluations = config["studies"]["defenses"]["evaluations"]
    parts = [part for entry in evaluations for part in (entry, entry.get("strengths", {}))]
    static = [config["attacks"][name] for part in parts for name in part.get("static", [])]
    kappas = [attack["parameters"].get("kappa", 0) for attack in static if attack["method"] == "stadv"]
    assert kappas
    assert min(kappas) > 0


def test_the_filters_against_stadv_have_a_control_that_is_no_defense(config):
    (entry,) = [one for one in config["studies"]["defenses"]["evaluations"] if one["name"] == "mnist_stadv"]
    control = config["defenses"][entry["defenses"][1]]
    levels = torch.arange(256).view(1, 1, 16, 16) / 255
    assert torch.equal(bit_depth(levels, **control["parameters"]), levels)


def test_the_board_within_03_ranks_each_defense_that_the_evaluation_attacks(config):
    (entry,) = [one for one in config["studies"]["defenses"]["evaluations"] if one["name"] == "mnist_stadv"]
    (board,) = [one for one in config["studies"]["leaderboard"]["boards"] if one["name"] == "mnist_linf"]
    assert [name for name in entry["defenses"] if name != "rounding_8"] == board["defenses"]  # a control, no defense


def test_no_name_of_a_set_is_shown_where_the_study_has_another(config):
    words = str([one["setup"] for one in contents(config)])
    assert not re.search(r"robustness-\w", words)


def test_a_supplied_model_and_a_folder_are_described():
    config = complete(
        {
            "models": {"mine": {"torchvision": "resnet18", "weights": "resnet18.pth"}},
            "datasets": {"photos": {"source": "folder", "path": "photos", "resize": 256, "crop": 224}},
            "studies": {"robustness": {"dataset": "photos", "models": ["mine"], "norm": "linf", "epsilon": "8/255"}},
        }
    )
    (section,) = contents(config)
    setup = dict(section["setup"])
    assert setup["Data"] == [("photos", "images in photos, test split, resize 256, crop 224")]
    assert setup["Models"] == [("mine", "torchvision resnet18, weights resnet18.pth")]
    assert ("fgsm", "fgsm with epsilon 8/255, norm linf, at most 1,000 images") in setup["Attacks"]
    assert section["figures"][0]["title"].endswith("mine on photos")
    (board,) = boards(config)
    assert (board["norm"], board["epsilon"]) == ("linf", 8 / 255)
    attacks = {cell["attack"] for cell in board["attempts"]}
    assert "robustness-autoattack" in attacks
    assert "robustness-stadv" not in attacks  # it has no bound, so it is no part of the worst case


def test_a_folder_named_folder_is_described():
    config = complete(
        {
            "models": {"mine": {"architecture": "lenet.LeNet", "training": {"epochs": 20}}},
            "datasets": {"folder": {"source": "folder", "path": "photos", "val": 10}},
            "studies": {"robustness": {"dataset": "folder", "models": ["mine"], "norm": "linf", "epsilon": "8/255"}},
        }
    )
    (section,) = contents(config)
    setup = dict(section["setup"])
    assert setup["Data"] == [("folder", "images in photos, test split")]
    assert setup["Models"] == [("mine", "architecture lenet.LeNet, trained here for at most 20 epochs")]


def test_each_pair_of_a_victim_and_a_set_is_judged_once(config):
    keys = [tuple(cell[key] for key in ("dataset", "model", "defense", "seed", "attack")) for cell in judged(config)]
    sources = [cell["source"] for cell in judged(config)]
    assert len(set(zip(keys, sources, strict=True))) == len(keys) > 300
    assert {cell["study"] for cell in judged(config)} <= set(config["studies"])


def test_the_page_reads_the_judgements_that_its_answer_compares(config):
    """A later study that judges the same sets does not take them from the study that ranks the victims."""
    (board,) = [one for one in config["studies"]["leaderboard"]["boards"] if one["name"] == "cifar10_linf"]
    matrix = {"name": "again", "dataset": "cifar10", "models": board["models"], "defenses": board["defenses"]}
    attacks = dict.fromkeys([*board["attacks"], *board["transfer_attacks"]])
    matrices = [matrix | {"name": f"again_{attack}", "attack": attack} for attack in attacks]
    studies = {"leaderboard": {"boards": [board]}, "transfer": {"matrices": matrices}}
    again = dict(config) | {"studies": studies}
    victims = ("study", "dataset", "model", "defense", "seed")
    assert {cell["study"] for cell in judged(again)} == {"transfer"}
    read = {tuple(cell[key] for key in victims) for cell in read_by_page(again)}
    (shown,) = boards(again)
    assert {tuple(cell[key] for key in victims) for cell in shown["attempts"]} <= read


def test_boards_come_from_the_studies_that_rank(config):
    found = boards(config)
    assert [board["title"] for board in found] == ["Robustness", "cifar10_linf", "mnist_linf", "mnist_l2"]
    assert all(board["table"] for board in found)
    others = {name: study for name, study in config["studies"].items() if name in ("minimal", "stadv")}
    fallback = boards(dict(config) | {"studies": others})
    assert [(board["dataset"], board["norm"], board["table"]) for board in fallback] == [
        ("mnist", None, None),
        ("fashion_mnist", None, None),
        ("cifar10", None, None),
    ]
    assert boards(dict(config) | {"studies": {}}) == []
