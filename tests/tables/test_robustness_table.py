"""The table for a user's own classifier: every number, marks at the doubtful ones, and the answer below."""

import json

import numpy as np
import pandas as pd
import pytest

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.budget import Budget
from foolflow.tables.robustness import build, tabulate
from foolflow.tables.writing import best_cells

VICTIM = {"dataset": "photos", "model": "mine", "defense": "none", "seed": 0}
ATTACKS = [
    {"name": "pgd", "set": "robustness-pgd", "counts": True, "distance": None, "epsilon_norm": "linf"},
    {"name": "minimal_l2", "set": "robustness-minimal_l2", "counts": False, "distance": "l2", "epsilon_norm": None},
    {"name": "stadv", "set": "robustness-stadv", "counts": False, "distance": None, "epsilon_norm": "linf"},
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
    assert "Not run on mine, which has no gradient: stadv." in table.notes


def test_attacks_lead_to_their_sets_and_the_worst_case_to_those_that_count(table):
    row = {attack: number for number, attack in enumerate(table.display["attack"])}
    within = {"within": ["linf", 8 / 255]}
    made = {**VICTIM, "attack": "robustness-pgd", "source": None, **within}
    assert table.images[row["pgd"], "accuracy %"] == table.images[row["pgd"], "n"] == made
    assert table.images[row["pgd"], "fooled %"] == {**made, "outcome": "fooled"}
    minimal = {**VICTIM, "attack": "robustness-minimal_l2", "source": None}  # of any size
    assert table.images[row["minimal_l2"], "median distance"] == minimal
    assert table.images[row["minimal_l2"], "fooled %"] == {**minimal, "outcome": "fooled"}
    assert table.images[row["clean"], "accuracy %"] == VICTIM
    counting = table.images[row["worst case"], "accuracy %"]
    assert counting == {**VICTIM, "attacks": counting["attacks"], **within}
    assert "robustness-pgd" in counting["attacks"]
    assert "robustness-minimal_l2" not in counting["attacks"]
    assert (row["clean"], "fooled %") not in table.images


def summary(model, seed=0, distance="l2", **accuracies):
    """Return the rows of one victim, with 100 images under each attack. The attack `free` is not within the ball."""
    rows = []
    for attack, accuracy in accuracies.items():
        name = attack.replace("_", " ") if attack == "worst_case" else attack
        low, high = accuracy - 0.1, accuracy + 0.1
        rows.append({"attack": name, "n": 100, "accuracy": accuracy, "low": low, "high": high, "fooled": 1 - accuracy})
    victim = {"dataset": "photos", "model": model, "defense": "none", "seed": seed}
    return pd.DataFrame(rows).assign(
        **victim, warnings="", available=np.nan, within=[one["attack"] != "free" for one in rows]
    )


BALL = Budget("l2", 1.0)
SETS = {name: f"robustness-{name}" for name in ("pgd", "fgsm", "free")}


def test_the_strongest_attack_within_the_ball_is_named():
    table = tabulate(summary("mine", clean=0.9, pgd=0.2, fgsm=0.4, free=0.0, worst_case=0.2), BALL, SETS)
    assert table.findings[1:] == [
        "Of the single attacks within L2 1, pgd leaves mine the lowest accuracy, 20.0 % of 100 images (95 % interval "
        "10.0 to 30.0)."
    ]
    tied = tabulate(summary("mine", clean=0.9, pgd=0.2, fgsm=0.2, worst_case=0.1), BALL, SETS)
    assert tied.findings[1].startswith("Of the single attacks within L2 1, pgd and fgsm leave mine the lowest accuracy")
    alone = tabulate(summary("mine", clean=0.9, pgd=0.2, worst_case=0.2), BALL, SETS)
    assert len(alone.findings) == 1
    untried = tabulate(summary("mine", clean=0.9), BALL, SETS)
    assert untried.findings == ["mine classifies 90.0 % of 100 clean images correctly."]


def test_victims_are_compared_under_the_same_attack():
    both = pd.concat([summary("A", clean=0.9, pgd=0.2), summary("B", clean=0.9, pgd=0.3)], ignore_index=True)
    table = tabulate(both, BALL, SETS)
    assert best_cells(table) == [(3, "accuracy %"), (3, "fooled %")]
    assert len(table.findings) == 2
    assert best_cells(tabulate(both[:2], BALL, SETS)) == []


def test_seeds_are_named_where_there_are_several():
    both = pd.concat([summary("A", clean=0.9), summary("A", seed=1, clean=0.8)], ignore_index=True)
    table = tabulate(both, BALL, SETS)
    assert [finding.split(" classifies")[0] for finding in table.findings] == ["A (seed 0)", "A (seed 1)"]


def test_several_seeds_have_a_mean_and_a_standard_deviation():
    both = pd.concat([summary("A", clean=0.9), summary("A", seed=1, clean=0.8)], ignore_index=True)
    assert tabulate(both, BALL, SETS).display["accuracy %, mean ± sd over seeds"].tolist() == ["85.0 ± 7.1"] * 2
    assert "accuracy %, mean ± sd over seeds" not in tabulate(both[:1], BALL, SETS).display


def test_medians_may_be_infinite_or_unknown():
    rows = summary("A", clean=0.9, pgd=0.2, fgsm=0.2, free=0.1).assign(
        distance=[None, "l2", "l2", "linf"],
        median=[np.nan, np.inf, np.nan, 0.5],
        median_low=[np.nan, 1.25, np.nan, 0.25],
        median_high=[np.nan, np.inf, np.nan, np.inf],
    )
    table = tabulate(rows, BALL, SETS)
    assert table.display["median distance"].tolist() == ["", "L2 ∞ (1.25 to ∞)", "", "L∞ 0.5 (0.25 to ∞)"]
