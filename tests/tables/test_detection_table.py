import dataclasses

import numpy as np
import pandas as pd
import pytest
import yaml

from foolflow.statistics.detection import mean_rate_of
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.scored import Detector, Scored
from foolflow.tables.detection import ANY, CLEAN, MEAN, tabulate
from foolflow.tables.writing import best_cells


def scored(attack, scores, fooled, adaptive=False, linf=0.1):
    columns = {"label": 0, "clean_prediction": 0, "success_8bit": fooled, "score": scores, "linf": linf}
    records = pd.DataFrame({"index": range(len(scores)), **columns})
    return Scored(attack, adaptive, records)


@pytest.fixture
def reference(root):
    return yaml.safe_load((root / "reference/xu2017_detection.yaml").read_text())


@pytest.fixture
def detector():
    scores = [*np.arange(20) / 20, *np.arange(10) / 9]
    index = [*range(20), *range(10)]
    clean = pd.DataFrame({"images": ["val"] * 20 + ["test"] * 10, "index": index, "score": scores})
    attacked = [
        scored("fgsm_mnist", [0.99, 0.91, 1.5, 1.6], [True, True, True, False]),
        scored("deepfool", [0.1, 1.2, 1.3, 1.4], [True, True, True, True]),
        scored("pgd_undetected", [0.1, 0.2, 0.3, 1.4], [True, True, False, True], adaptive=True),
    ]
    return Detector("mnist", "CNN", 0, "joint_mnist", clean, attacked)


def test_each_rate_is_computed_over_the_right_images(detector, reference):
    table = tabulate([detector], 0.05, reference)
    rows = table.data.set_index("images")
    assert list(rows.index) == [CLEAN, "fgsm_mnist", "deepfool", MEAN, "pgd_undetected", ANY]
    assert (rows["threshold"] == 0.9).all()  # one of 20 val images is above it
    assert rows.loc[CLEAN, "detected_rate"] == pytest.approx(0.1)
    assert (rows.loc["fgsm_mnist", "detected_count"], rows.loc["fgsm_mnist", "failed_detected_total"]) == (3, 1)
    assert (rows.loc["deepfool", "unseen_count"], rows.loc["deepfool", "unseen_total"]) == (1, 4)
    assert rows.loc[MEAN, "detected_rate"] == pytest.approx((3 / 3 + 3 / 4) / 2)
    assert rows.loc[MEAN, "detected_total"] == 4  # images
    assert rows.loc["pgd_undetected", "unseen_rate"] == 0.5
    assert rows.loc[MEAN, "published_detected"] == pytest.approx(0.982)
    assert rows.loc[CLEAN, "published_detected"] == pytest.approx(0.0398)
    assert "0.0029" in table.notes[0]


def test_an_attack_with_few_successes_weighs_as_much_in_the_mean_as_any_other(detector, reference):
    many, one = [1.4] * 9 + [0.1], [0.1] * 10
    attacked = [scored("many", many, [True] * 10), scored("one", one, [True] + [False] * 9)]
    rows = tabulate([dataclasses.replace(detector, attacked=attacked)], 0.05, reference).data.set_index("images")
    assert rows.loc[MEAN, "detected_rate"] == pytest.approx((0.9 + 0) / 2)  # pooled, it would be 9 of 11
    assert rows.loc[MEAN, "auc_area"] == pytest.approx(rows.loc[["many"], "auc_area"].mean())  # one image has no AUC
    none = scored("none", one, [False] * 10)
    rows = tabulate([dataclasses.replace(detector, attacked=[*attacked, none])], 0.05, reference).data
    assert rows.set_index("images").loc[MEAN, "detected_rate"] == pytest.approx(0.45)


def test_mean_rates_are_clustered_by_image(detector, reference):
    rows = tabulate([detector], 0.05, reference).data.set_index("images")
    # One attack: each image counts once.
    assert rows.loc["fgsm_mnist", ["success_low", "success_high"]].tolist() == list(wilson_interval(3, 4))
    # Two attacks on the same four images: the intervals rest on four images.
    fooled = [np.array([1, 1, 1, 0], bool), np.array([1, 1, 1, 1], bool)]
    mean = mean_rate_of([(one, np.arange(4)) for one in fooled])
    assert rows.loc[MEAN, ["success_low", "success_high"]].tolist() == [mean.low, mean.high]
    assert (mean.low, mean.high) != wilson_interval(7, 8)


def test_another_data_set_has_no_published_columns(detector, reference):
    other = Detector("digits", "CNN", 0, "joint_mnist", detector.clean, detector.attacked[:1])
    table = tabulate([other], 0.05, reference)
    assert not any("published" in column for column in table.display)
    assert not any("Published" in note for note in table.notes)
    assert MEAN not in set(table.data["images"])


def test_an_attack_that_fools_nothing_has_a_row(detector, reference):
    none = Detector("digits", "CNN", 0, "d", detector.clean, [scored("fgsm", [0.1, 1.0], [False, False])])
    row = tabulate([none], 0.05, reference).display.iloc[1]
    assert row["success %"] == "0.0"
    assert row["fooled, undetected %"] == "0.0"


def test_the_findings_contrast_adversaries_that_do_and_do_not_know_the_detector(detector, reference):
    table = tabulate([detector], 0.05, reference)
    assert table.findings == [
        "joint_mnist on mnist (CNN) detects 87.5 % of 4 images that fool the victim (95 % interval 62.5 to 100.0) "
        "under attacks that do not know it, on average over them, and 10.0 % of 10 clean images (95 % interval 1.8 to "
        "40.4).",
        "With any attack, an adversary who knows joint_mnist on mnist (CNN) fools the victim undetected on at least "
        "50.0 % of 4 images (95 % interval 15.0 to 85.0).",
    ]


def test_only_a_single_attack_is_compared_with_xu_et_al(detector, reference):
    table = tabulate([detector], 0.05, reference)
    assert table.display["published: detected %"].tolist() == ["4.0", "", "", "98.2", "", ""]  # for information
    assert not any("vs. published" in column for column in table.display)
    attacked = [scored("fgsm_cifar10", [0.1, 1.2], [True, True]), scored("deepfool", [0.1, 1.2], [True, True])]
    cifar10 = Detector("cifar10", "six_conv", 0, "joint_cifar10", detector.clean, attacked)
    table = tabulate([cifar10], 0.05, reference)
    assert table.display["vs. published: detected"].tolist() == ["", "agrees", "", "", ""]
    assert not any("vs. published: AUC" in column for column in table.display)
    assert not any("comparison" in finding for finding in table.findings)
    assert "third squeezer" in table.notes[-1]


def test_an_adversary_uses_whichever_attack_works_within_the_radius(detector, reference):
    """Each attack gets past on one other image; one of them with a perturbation that is too large."""
    attacked = [
        scored("static", [0.1, 1.2, 1.2, 1.2], [True] * 4, linf=0.2),
        scored("large", [1.2, 0.1, 1.2, 1.2], [True] * 4, linf=[0.1, 0.21, 0.1, 0.1]),
        scored("adaptive", [1.2, 1.2, 0.1, 0.1, 0.1], [True, True, True, False, True], adaptive=True),
    ]

    def together(epsilon):
        table = tabulate([dataclasses.replace(detector, attacked=attacked, epsilon=epsilon)], 0.05, reference)
        return table.data.iloc[-1], table

    row, table = together(None)
    assert (row["images"], row["unseen_count"], row["unseen_total"]) == (ANY, 3, 4)  # of the fifth, only one was made
    row, table = together(0.2)
    assert (row["images"], row["unseen_count"], row["unseen_total"]) == (f"{ANY} within L∞ 0.2", 2, 4)
    assert row["success_count"] == 4
    assert "With any attack within L∞ 0.2, an adversary who knows" in table.findings[-1]
    assert "on at least 50.0 % of 4 images" in table.findings[-1]
    assert any("lower bound" in note for note in table.notes)


def test_detectors_without_attacks_of_one_kind_say_so(detector, reference):
    def findings(*attacked):
        return tabulate([Detector("digits", "CNN", 0, "d", detector.clean, attacked)], 0.05, reference).findings

    missed = scored("fgsm", [0.1, 0.2], [False, False])
    assert findings(missed) == [
        "No attack that does not know d on digits (CNN) fools the victim.",
        "No attack that knows d on digits (CNN) was run.",
    ]
    (adaptive,) = findings(scored("pgd", [0.1, 1.4], [True, True], adaptive=True))
    assert adaptive.startswith(
        "With pgd, an adversary who knows d on digits (CNN) fools the victim undetected on at least 50.0 %"
    )
    nothing = scored("none", [], np.array([], bool), adaptive=True)
    assert findings(nothing) == []


def test_each_attack_leads_to_its_images_and_pooled_rows_to_the_victim(detector, reference):
    table = tabulate([detector], 0.05, reference)
    victim = {"dataset": "mnist", "model": "CNN", "defense": "none", "seed": 0}
    assert table.images[0, "detected %"] == table.images[3, "AUC %"] == victim
    assert table.images[1, "fooled, undetected %"] == {**victim, "attack": "fgsm_mnist", "source": None}
    assert table.images[4, "n"] == {**victim, "attack": "pgd_undetected", "source": None}
    every = {**victim, "attacks": ["fgsm_mnist", "deepfool", "pgd_undetected"]}
    assert table.images[5, "fooled, undetected %"] == every
    bounded = tabulate([dataclasses.replace(detector, epsilon=0.2)], 0.05, reference)
    assert bounded.images[5, "fooled, undetected %"] == {**every, "within": ["linf", 0.2]}
    assert not any("ublished" in column for _, column in table.images)


def test_detectors_are_compared_on_the_same_images(detector, reference):
    blind = Detector("mnist", "CNN", 0, "blind", detector.clean, [scored("fgsm_mnist", [0.1, 0.1], [True, True])])
    marked = best_cells(tabulate([detector, blind], 0.05, reference))
    assert {cell for cell in marked if cell[1] == "detected %"} == {(1, "detected %")}
    assert {cell for cell in marked if cell[1] == "fooled, undetected %"} == {(1, "fooled, undetected %")}


def test_several_seeds_have_a_mean_and_a_standard_deviation(detector, reference):
    again = dataclasses.replace(detector, seed=1, attacked=[scored("fgsm_mnist", [0.1, 1.0, 1.0, 1.0], [True] * 4)])
    table = tabulate([dataclasses.replace(detector, attacked=detector.attacked[:1]), again], 0.05, reference)
    fgsm = table.display[table.display["images"] == "fgsm_mnist"]
    assert fgsm["detected %"].tolist() == ["100.0", "75.0"]
    assert fgsm["detected %, mean ± sd over seeds"].tolist() == ["87.5 ± 17.7"] * 2
    assert fgsm["fooled, undetected %, mean ± sd over seeds"].tolist() == ["12.5 ± 17.7"] * 2
    assert not any("over seeds" in name for name in tabulate([detector], 0.05, reference).display)
