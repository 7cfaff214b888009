"""The tables of the stAdv study, compared with numbers counted by hand."""

import pandas as pd
import pytest
import yaml

from foolflow.tables import explorations, post_mortem, stadv
from foolflow.tables.targeted import measure

# Six images of class 0 with target 1: two reach it, one becomes another class, two stay correct, one is a clean error.
RECORDS = pd.DataFrame(
    {
        "label": 0,
        "target": 1,
        "clean_prediction": [0, 0, 0, 0, 0, 2],
        "prediction": [1, 1, 3, 0, 0, 2],
        "success": [True, True, False, False, False, False],
        "success_8bit": [True, False, False, False, False, False],
        "l2": [1.0, 3.0, 9.0, 0.0, 0.0, 0.0],
        "flow_loss": [10.0, 30.0, 90.0, 0.0, 0.0, 0.0],
        "gradient_evaluations": [10, 20, 30, 40, 50, 600],
    }
)


def test_only_images_that_are_correct_before_and_reach_their_target_count():
    measured = measure(RECORDS)
    assert (measured["n"], measured["count"], measured["success"]) == (5, 2, 0.4)
    assert measured["low"] < 0.4 < measured["high"]
    assert measured["median_flow_loss"] == 20
    assert measured["gradient_evaluations"] == 30


def test_the_students_way_of_counting_gives_a_larger_number():
    assert measure(RECORDS, any_class=True)["count"] == 3
    published = measure(RECORDS, any_class=True, clean_errors=True)
    assert (published["n"], published["count"]) == (6, 4)


def test_without_successes_there_is_no_distortion():
    measured = measure(RECORDS[3:5])
    assert measured["success"] == 0
    assert pd.isna(measured["median_flow_loss"])


def test_published_values_are_next_to_ours(root):
    attacked = [stadv.Attacked(dataset, "A", 0, 0.99, RECORDS) for dataset in ("mnist", "fashion_mnist", "digits")]
    reference = yaml.safe_load((root / "reference/r1_stadv.yaml").read_text())
    table = stadv.tabulate("title", attacked, reference)
    data = table.data.set_index("dataset")
    assert data["published_success_paper"].tolist()[:1] == [0.9995]
    assert data["published_success_students"].tolist()[:2] == [0.41, 0.52]
    assert data.loc["digits", ["published_success_paper", "published_accuracy_students"]].isna().all()
    assert data["any_class"].tolist() == pytest.approx([0.6] * 3)
    assert data["success_8bit"].tolist() == pytest.approx([0.2] * 3)
    assert table.display.loc[0, "success %"] == "40.00"
    assert "seed" not in table.display


def test_the_post_mortem_shows_the_effect_of_each_step():
    steps = [
        post_mortem.Step("as it was", "B", "students", True, True, RECORDS),
        post_mortem.Step("counted right", "B", "students", False, False, RECORDS),
    ]
    table = post_mortem.tabulate("title", steps)
    assert table.data["success"].tolist() == pytest.approx([4 / 6, 0.4])
    assert table.display["points"].tolist() == ["", "-26.67"]


def test_explorations_keep_the_order_and_text_of_the_values():
    settings = [explorations.Setting("B", "init", "zeros", RECORDS), explorations.Setting("B", "tau", 1e-05, RECORDS)]
    table = explorations.tabulate("title", settings, "kappa 0.1")
    assert table.data["value"].tolist() == ["zeros", "1e-05"]
    assert "kappa 0.1" in table.notes[0]
