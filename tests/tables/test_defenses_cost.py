import numpy as np
import pandas as pd
import pytest

from foolflow.tables.defenses_cost import Defended, tabulate


def victim(defense, wrong, seconds=None, seed=0, n=100):
    """Return a victim that misclassifies the first `wrong` clean images. seconds: of its epochs."""
    right = pd.Series(np.arange(n) >= wrong)
    history = None if seconds is None else pd.DataFrame({"seconds": seconds})
    return Defended("cifar10", "six_conv", defense, seed, right, history)


def test_time_and_accuracy_are_relative_to_the_undefended_victim():
    table = tabulate("title", [victim("none", 10, [60, 60]), victim("train", 30, [90] * 4), victim("filter", 11)])
    data = table.data.set_index("defense")
    assert data["seconds"].tolist()[:2] == [120, 360]
    assert data["seconds_per_epoch"].tolist()[:2] == [60, 90]
    assert data.loc["train", "times_none"] == 1.5
    assert data["clean"].to_dict() == pytest.approx({"none": 0.9, "train": 0.7, "filter": 0.89})
    assert data["lost"].to_dict() == pytest.approx({"none": np.nan, "train": 0.2, "filter": 0.01}, nan_ok=True)
    # Twenty changes for the worse, and one: McNemar's exact p is 2 / 2^20 and 1; Holm doubles the smaller one.
    assert data.loc["train", "holm_p"] == pytest.approx(2 * 2 / 2**20)
    assert data.loc["filter", "holm_p"] == 1
    shown = table.display.set_index("defense")
    times = ["epochs", "training time", "time per epoch", "per epoch, times undefended"]
    assert shown.loc["train", times].tolist() == ["4", "6:00 min", "1:30 min", "1.50"]
    assert shown.loc["filter", times].tolist() == ["", "", "", ""]
    assert table.findings == [
        "The longest time per epoch is that with train: 1:30 min, 1.50 times that of the undefended network.",
        "Clean accuracy changes significantly: \u221220.0 points with train (exact McNemar tests, Holm).",
    ]
    assert table.varies


def test_a_defense_that_is_trained_for_fewer_epochs_is_compared_by_its_time_per_epoch():
    table = tabulate("title", [victim("none", 10, [1.0] * 20), victim("adv", 10, [1.5] * 10)])
    adv = table.data.set_index("defense").loc["adv"]
    assert (adv["seconds"], adv["seconds_per_epoch"], adv["times_none"]) == (15, 1.5, 1.5)
    assert table.display["time per epoch"].tolist() == ["1 s", "1.5 s"]
    assert table.findings[0] == (
        "The longest time per epoch is that with adv: 1.5 s, 1.50 times that of the undefended network."
    )


def test_points_lost_are_qualified_only_where_compared_victims_differ_in_their_numbers_of_epochs():
    def qualified(*victims):
        return any("also reflects the number of epochs" in note for note in tabulate("title", victims).notes)

    assert qualified(victim("none", 10, [1.0] * 20), victim("adv", 10, [1.0] * 10))
    assert not qualified(victim("none", 10, [1.0] * 10), victim("adv", 10, [2.0] * 10), victim("blur", 10))
    assert not qualified(
        *(victim(name, 10, [1.0] * (10 + seed), seed) for seed in (0, 1) for name in ("none", "adv")),
    )
    assert not qualified(victim("adv", 10, [1.0] * 10), victim("squeeze", 10, [1.0] * 20))


def test_a_defense_that_trains_faster_than_no_defense_is_not_called_the_longest():
    table = tabulate("title", [victim("none", 10, [100]), victim("adv", 12, [40]), victim("blur", 12)])
    assert table.findings[0] == (
        "No defense takes longer per epoch than the undefended network; the longest time per epoch is that with adv: "
        "40 s, 0.40 times as long."
    )


def test_only_images_that_both_were_attacked_on_are_compared():
    table = tabulate("title", [victim("none", 10, [1.0]), victim("filter", 10, n=20)])
    assert table.data["lost"].iloc[1] == 0
    assert table.display["points lost"].tolist() == ["", "0.0"]
    assert table.findings == ["No defense changes the clean accuracy significantly (exact McNemar tests, Holm)."]


def test_each_seed_has_its_own_undefended_victim():
    table = tabulate(
        "title",
        [victim(name, wrong, [2.0], seed) for seed in (0, 1) for name, wrong in (("none", 10 * seed), ("train", 20))],
    )
    assert table.data["lost"].tolist()[1::2] == pytest.approx([0.2, 0.1])
    assert table.display["seed"].tolist() == ["0", "0", "1", "1"]
    assert table.findings == [
        "The longest time per epoch (seed 0) is that with train: 2 s, 1.00 times that of the undefended network.",
        "Clean accuracy (seed 0) changes significantly: \u221220.0 points with train (exact McNemar tests, Holm).",
    ]


def test_without_an_undefended_victim_nothing_is_compared():
    table = tabulate("title", [victim("train", 20, [2.0])])
    assert table.findings == []
    assert "points lost" not in table.display
