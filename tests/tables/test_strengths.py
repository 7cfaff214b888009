import numpy as np
import pandas as pd
import pytest

from foolflow.tables.strengths import Filtered, tabulate

FILTERED = {"kind": "adaptive", "method": "blur", "n": 100, "seed": 0}


def filtered(value, wrong, fooled, **about):
    """Return a filter under an attack: `wrong` clean errors, then `fooled` images, then those that withstand it."""
    kind, method, n, seed = (FILTERED | about).values()
    index = np.arange(n)
    predictions = {"clean_prediction": (index < wrong).astype(int), "prediction": (index < wrong + fooled).astype(int)}
    records = pd.DataFrame({"index": index, "label": 0, "success": index < wrong + fooled} | predictions)
    defense = f"{method}_{value}" if method else "none"
    cell = {"dataset": "mnist", "model": "B", "defense": defense, "seed": seed, "kind": kind, "attack": "pgd"}
    source = "B/none" if kind == "static" else None
    return Filtered(cell | {"source": source}, method, "sigma" if method else "", value, records)


@pytest.fixture
def table():
    return tabulate(
        "title",
        [
            filtered("", 0, 100, method=""),
            filtered("", 0, 100, method="", kind="static"),
            filtered("1", 10, 60),
            filtered("1", 10, 9, kind="static"),
            filtered("2", 60, 30),
        ],
    )


def test_success_is_over_the_images_that_both_networks_classify_correctly():
    """Of the 60 images that are fooled without a filter, the filter gets 45 wrong before any attack."""
    data = tabulate("title", [filtered("", 5, 60, method=""), filtered("1", 50, 15)]).data.set_index("value")
    columns = ["both", "success", "success_none"]
    assert data.loc["1", columns].tolist() == pytest.approx([50, 15 / 50, 15 / 50])
    assert data.loc["", columns].tolist() == pytest.approx([95, 60 / 95, np.nan], nan_ok=True)
    assert data.loc["1", "holm_p"] == 1


def test_an_image_counts_as_right_under_attack_only_if_it_is_also_right_when_clean():
    one = filtered("1", 10, 60)
    one.records.loc[:4, "prediction"] = 0  # five clean errors that the attack turns right
    assert tabulate("title", [one]).data["accuracy"].tolist() == pytest.approx([0.3])


def test_a_line_shows_one_strength_under_every_attack(table):
    shown = table.display
    assert shown["filter"].tolist() == ["none", "blur", "blur"]
    assert shown["strength"].tolist() == ["", "sigma 1", "sigma 2"]
    assert shown["accuracy: adaptive pgd %"].tolist() == [
        "0.0 (0.0 to 3.7)",
        "30.0 (21.9 to 39.6)",
        "10.0 (5.5 to 17.4)",
    ]
    assert shown["success: static pgd %"].tolist() == [
        "100.0 of 100 (96.3 to 100.0)",
        "10.0 of 90 (5.4 to 17.9; none 100.0)",
        "",
    ]
    assert table.images[1, "accuracy: static pgd %"]["source"] == "B/none"
    assert table.images[1, "accuracy: adaptive pgd %"]["source"] is None


def test_adaptive_attacks_are_tested_against_no_filter_and_static_ones_are_not(table):
    tested = table.data[table.data["holm_p"].notna()]
    assert tested[["value", "kind"]].to_numpy().tolist() == [["1", "adaptive"], ["2", "adaptive"]]
    # 30 of 90 and 10 of 40 images are fooled without the filter only.
    assert tested["holm_p"].tolist() == pytest.approx([2 * 2**-29, 2**-9])
    assert table.display["p (Holm): adaptive pgd"].tolist() == ["", "4e-09", "0.002"]
    assert "p (Holm): static pgd" not in table.display
    assert "2 exact McNemar tests, one family" in table.notes[2]


def test_the_largest_significant_drop_is_named_with_its_price(table):
    assert table.findings == [
        "On B, 2 of 2 filters significantly lower the success of adaptive pgd, most of all blur with sigma 1: from "
        "100.0 to 66.7 % of the 90 images that both networks classify correctly (exact McNemar test, Holm-corrected p "
        "4e-09). The accuracy under the attack is 30.0 %, without a filter 0.0 %; the clean accuracy is 90.0 %, "
        "without a filter 100.0 %.",
        "On B, static pgd, whose images were made without a filter, fools 10.0 % of the images through a filter, of "
        "those that both networks classify correctly.",
    ]


def test_the_least_success_of_many_filters_is_no_effect_unless_a_test_shows_it():
    filters = [filtered(str(value), 0, 100 - value) for value in range(6)]
    table = tabulate("title", [filtered("", 0, 100, method=""), *filters])
    assert table.data["success"].min() == 0.95
    assert table.findings == [
        "On B, no filter significantly lowers the success of adaptive pgd, 100.0 % of 100 images (95 % interval 96.3 "
        "to 100.0) without one."
    ]


def test_a_filter_that_raises_the_success_does_not_lower_it():
    table = tabulate("title", [filtered("", 0, 10, method=""), filtered("1", 0, 90)])
    assert table.data["holm_p"].iloc[1] < 0.05
    assert table.findings[0].startswith("On B, no filter significantly lowers the success of adaptive pgd, 10.0 %")


def test_findings_name_their_seed_if_there_are_several():
    attacked = [each for seed in (0, 1) for each in (filtered("", 0, 90, method="", seed=seed), filtered("1", 10, 60))]
    attacked[3].cell["seed"] = 1
    findings = tabulate("title", attacked).findings
    assert [finding.split(",")[0] for finding in findings] == ["On B (seed 0)", "On B (seed 1)"]


def test_a_filter_that_leaves_nothing_correct_has_no_success():
    table = tabulate("title", [filtered("", 0, 100, method=""), filtered("9", 100, 0)])
    assert table.data[["success", "success_none", "holm_p"]].iloc[1].isna().all()
    assert table.findings == []
