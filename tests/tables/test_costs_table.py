"""The table of what the studies will cost."""

import pytest

from foolflow.attacks.planning import OVERHEAD
from foolflow.jobs.costs import passes
from foolflow.tables.costs import HARDENED, costs_table, number_of_images

VICTIM = {"dataset": "digits", "model": "lenet", "defense": "none", "seed": 0}
SPEED = {"train": 2.0, "forward": 0.5, "gradient": 1.5, "classes": 10, "draws": 1, "shape": [1, 8, 8]}
FGSM = {"method": "fgsm", "images": 40, "parameters": {"epsilon": [0.1, 0.2]}}
PGD = {"method": "pgd", "parameters": {"epsilon": 0.1, "steps": 10}}


def measured(*defenses):
    return {
        "speeds": [{**SPEED, "dataset": "digits", "model": "lenet", "defense": name} for name in defenses],
        "images": {"train": {"digits": 1000}, "test": {"digits": 100}},
        "device": "a pocket calculator",
    }


def study(name="first", trainings=(), attacks=(), judgements=()):
    return {"study": name, "trainings": trainings, "attacks": attacks, "judgements": judgements}


def test_a_training_costs_its_epochs():
    table = costs_table([study(trainings=[VICTIM | {"epochs": 3}])], measured("none"))
    assert table.data["training"].tolist() == pytest.approx([(OVERHEAD + 3 * 1000 * 2.0) / 3600])
    assert table.data["all"].tolist() == table.data["training"].tolist()


def test_an_attack_costs_its_passes_on_every_image_and_epsilon():
    table = costs_table([study(attacks=[VICTIM | {"entry": FGSM, "hardened": False}])], measured("none"))
    cost = passes(FGSM, 10)
    one = (cost.forward - cost.backward) * 0.5 + cost.backward * 1.5
    assert table.data["attacks"].tolist() == pytest.approx([(OVERHEAD + 40 * 2 * one) / 3600])


def test_images_of_a_hardened_victim_resist():
    def attacked(hardened):
        rows = [VICTIM | {"entry": PGD, "hardened": hardened}]
        return costs_table([study(attacks=rows)], measured("none")).data.iloc[0]

    weak, hard = attacked(hardened=False), attacked(hardened=True)
    assert weak["attacks"] < hard["attacks"] < hard["if_all_resist"]
    assert hard["if_all_resist"] == weak["if_all_resist"]
    assert hard["attacks"] - weak["attacks"] == pytest.approx(HARDENED * (hard["if_all_resist"] - weak["attacks"]))


def test_the_last_row_is_the_sum_of_the_studies():
    rows = [VICTIM | {"entry": FGSM}]
    studies = [study("one", [VICTIM | {"epochs": 1}]), study("two", judgements=rows)]
    table = costs_table(studies, measured("none"))
    assert table.display.iloc[-1]["study"] == "all"
    assert table.data["judging"].tolist() == pytest.approx([0, 2 * 40 * 2 * 0.5 / 3600])
    assert "one takes the most" in table.findings[0]


def test_a_random_victim_judges_over_several_draws():
    judged, given = [study(judgements=[VICTIM | {"entry": FGSM}])], measured("none")
    once = costs_table(judged, given).data["judging"]
    given["speeds"][0]["draws"] = 10
    assert costs_table(judged, given).data["judging"].tolist() == pytest.approx((10 * once).tolist())


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, 100),
        ({"images": 30}, 30),
        ({"images": 500}, 100),
        ({"per_class": 2}, 20),
        ({"per_class": 2, "targets": "all"}, 180),
        ({"images": 30, "targets": "random"}, 30),
    ],
)
def test_the_images_of_an_attack_are_counted_as_they_will_be_selected(entry, expected):
    assert number_of_images(entry, classes=10, available=100) == expected
