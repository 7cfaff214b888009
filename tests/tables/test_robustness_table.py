"""The table for a user's own classifier: every number, marks at the doubtful ones, and the answer below."""

import json

import numpy as np
import pandas as pd
import pytest

from foolflow.data.artefacts import Artefacts
from foolflow.tables.robustness import build

VICTIM = {"dataset": "photos", "model": "mine", "defense": "none", "seed": 0}
ATTACKS = [
    {"name": "pgd", "set": "robustness-pgd", "within": True, "counts": True, "distance": None},
    {"name": "minimal_l2", "set": "robustness-minimal_l2", "within": False, "counts": False, "distance": "l2"},
    {"name": "stadv", "set": "robustness-stadv", "within": False, "counts": False, "distance": None},
]


def judged(attack, fooled, linf):
    count = len(fooled)
    wrong = np.asarray(fooled, bool)
    return pd.DataFrame(
        {
            "attack": f"robustness-{attack}",
            "source": "mine/none",
            "index": np.arange(count),
            "epsilon": np.nan,
            "label": 0,
            "clean_prediction": 0,
            "prediction": wrong.astype(int),
            "success": wrong,
            "linf": linf,
            "l2": np.linspace(1, 2, count),
        }
    )


@pytest.fixture
def table(tmp_path):
    records = pd.concat([judged("pgd", [1] * 30 + [0] * 170, 0.03), judged("minimal_l2", [1] * 200, 0.5)])
    judgement = tmp_path / "judgements/robustness/photos/mine/none/0/records.parquet"
    judgement.parent.mkdir(parents=True)
    records.to_parquet(judgement)
    inspection, plan = tmp_path / "inspection.json", tmp_path / "plan.json"
    notices = ["the network ends in a softmax; it was removed.", "3 of 200 files were passed over"]
    inspection.write_text(json.dumps({"n": 400, "correct": 380, "notices": notices}))
    planned = [("pgd", 200, 400), ("minimal_l2", 200, 200), ("stadv", 0, 0)]
    plan.write_text(
        json.dumps({"attacks": [{"attack": name, "images": n, "available": most} for name, n, most in planned]})
    )
    files = {"judgements": [judgement], "inspections": [inspection], "plans": [plan]}
    spec = {"norm": "linf", "epsilon": 8 / 255, "victims": [VICTIM], "attacks": ATTACKS}
    return build(spec, Artefacts(files))


def test_the_rows_have_rates_sizes_and_medians(table):
    shown = table.display.set_index("attack")
    assert list(shown.index) == ["clean", "pgd", "minimal_l2", "worst case"]
    assert shown["perturbation"].tolist() == ["none", "L∞ 8/255", "of any size", "L∞ 8/255"]
    assert shown["accuracy %"].tolist() == ["95.0", "85.0", "0.0", "85.0"]
    assert shown.loc["minimal_l2", "median distance"].startswith("L2 1.5 (1.4")
    assert table.data.set_index("attack").loc["worst case", "n"] == 200
    assert "model" not in shown.columns  # there is one


def test_warnings_are_marked_at_their_numbers_and_read_as_sentences(table):
    shown = table.display.set_index("attack")["note"]
    assert shown["clean"] == "[1]"
    assert "[1] the network ends in a softmax; it was removed; 3 of 200 files were passed over." in table.notes
    assert shown["minimal_l2"] == ""


def test_the_answer_comes_first_and_the_limits_are_named(table):
    assert table.findings[0].startswith("mine classifies 95.0 % of 400 clean images correctly, and 85.0 % of 200 under")
    assert "The budget limited the number of images of some attacks." in table.notes
    assert "Not run, because the model has no gradient: stadv." in table.notes
