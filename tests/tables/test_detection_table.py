import numpy as np
import pandas as pd
import pytest
import yaml

from foolflow.statistics.scored import Detector, Scored
from foolflow.tables.detection import CLEAN, POOLED, tabulate


def scored(attack, scores, fooled, adaptive=False):
    records = pd.DataFrame({"label": 0, "clean_prediction": 0, "success_8bit": fooled, "score": scores})
    return Scored(attack, adaptive, records)


@pytest.fixture
def reference(root):
    return yaml.safe_load((root / "reference/xu2017_detection.yaml").read_text())


@pytest.fixture
def detector():
    clean = pd.DataFrame({"images": ["val"] * 20 + ["test"] * 10, "score": [*np.arange(20) / 20, *np.arange(10) / 9]})
    attacked = [
        scored("fgsm_mnist", [0.99, 0.91, 1.5, 1.6], [True, True, True, False]),
        scored("deepfool", [0.1, 1.2, 1.3, 1.4], [True, True, True, True]),
        scored("pgd_undetected", [0.1, 0.2, 0.3, 1.4], [True, True, False, True], adaptive=True),
    ]
    return Detector("mnist", "CNN", 0, "joint_mnist", clean, attacked)


def test_each_rate_is_computed_over_the_right_images(detector, reference):
    table = tabulate([detector], 0.05, reference)
    rows = table.data.set_index("images")
    assert list(rows.index) == [CLEAN, "fgsm_mnist", "deepfool", POOLED, "pgd_undetected"]
    assert (rows["threshold"] == 0.9).all()  # one of 20 val images is above it
    assert rows.loc[CLEAN, "detected_rate"] == pytest.approx(0.1)
    assert (rows.loc["fgsm_mnist", "detected_count"], rows.loc["fgsm_mnist", "failed_detected_total"]) == (3, 1)
    assert (rows.loc["deepfool", "unseen_count"], rows.loc["deepfool", "unseen_total"]) == (1, 4)
    assert (rows.loc[POOLED, "detected_count"], rows.loc[POOLED, "detected_total"]) == (6, 7)
    assert rows.loc["pgd_undetected", "unseen_rate"] == 0.5
    assert rows.loc[POOLED, "published_detected"] == pytest.approx(0.982)
    assert rows.loc[CLEAN, "published_detected"] == pytest.approx(0.0398)
    assert "0.0029" in table.notes[0]


def test_another_data_set_has_no_published_columns(detector, reference):
    other = Detector("digits", "CNN", 0, "joint_mnist", detector.clean, detector.attacked[:1])
    table = tabulate([other], 0.05, reference)
    assert not any("published" in column for column in table.display)
    assert not any("Published" in note for note in table.notes)
    assert POOLED not in set(table.data["images"])


def test_an_attack_that_fools_nothing_has_a_row(detector, reference):
    none = Detector("digits", "CNN", 0, "d", detector.clean, [scored("fgsm", [0.1, 1.0], [False, False])])
    row = tabulate([none], 0.05, reference).display.iloc[1]
    assert row["success %"] == "0.0"
    assert row["fooled, undetected %"] == "0.0"
