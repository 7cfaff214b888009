import numpy as np
import pandas as pd
import pytest

from foolflow.tables.strengths import Filtered, tabulate


def filtered(value, wrong, fooled, kind="adaptive", method="blur", n=100):
    """Return a filter under an attack: `wrong` clean errors, then `fooled` images."""
    index = np.arange(n)
    predictions = {"clean_prediction": (index < wrong).astype(int), "prediction": (index < wrong + fooled).astype(int)}
    records = pd.DataFrame({"index": index, "label": 0, "success": index < wrong + fooled} | predictions)
    defense = f"{method}_{value}" if method else "none"
    cell = {"dataset": "mnist", "model": "B", "defense": defense, "seed": 0, "kind": kind, "attack": "pgd"}
    source = "B/none" if kind == "static" else None
    return Filtered(cell | {"source": source}, method, "sigma" if method else "", value, records)


@pytest.fixture
def table():
    return tabulate(
        "title",
        [
            filtered("", 0, 100, method=""),
            filtered("1", 10, 60),
            filtered("1", 10, 9, kind="static"),
            filtered("2", 60, 30),
        ],
    )


def test_success_is_counted_over_the_images_that_the_filter_leaves_correct(table):
    data = table.data.set_index(["value", "kind"])
    assert data.loc[("1", "adaptive"), ["correct", "success", "accuracy", "clean"]].tolist() == pytest.approx(
        [90, 60 / 90, 0.3, 0.9]
    )
    assert data.loc[("1", "static"), "success"] == pytest.approx(0.1)
    assert data.loc[("2", "adaptive"), "success"] == pytest.approx(0.75)


def test_a_line_shows_one_strength_under_every_attack(table):
    assert table.display["filter"].tolist() == ["none", "blur", "blur"]
    assert table.display["strength"].tolist() == ["", "sigma 1", "sigma 2"]
    assert table.display["static: pgd %"].tolist() == ["", "10.0 (5.4 to 17.9)", ""]
    assert table.images[1, "static: pgd %"]["source"] == "B/none"
    assert table.images[1, "adaptive: pgd %"]["source"] is None


def test_the_least_success_is_named_with_its_price(table):
    assert table.findings == [
        "On B, adaptive pgd has the least success through blur with sigma 1: 66.7 % of 90 images (95 % interval 56.4 "
        "to 75.5), at a clean accuracy of 90.0 %; without a filter, 100.0 % of 100 images (95 % interval 96.3 to "
        "100.0) at 100.0 %.",
        "On B, static pgd has the least success through blur with sigma 1: 10.0 % of 90 images (95 % interval 5.4 "
        "to 17.9), at a clean accuracy of 90.0 %.",
    ]


def test_findings_name_their_seed_if_there_are_several():
    one, other = filtered("1", 10, 60), filtered("1", 10, 30)
    other.cell["seed"] = 1
    findings = tabulate("title", [one, other]).findings
    assert [finding.split(",")[0] for finding in findings] == ["On B (seed 0)", "On B (seed 1)"]


def test_a_filter_that_leaves_nothing_correct_has_no_success():
    table = tabulate("title", [filtered("9", 100, 0)])
    assert table.data["success"].isna().all()
    assert table.findings == []


def test_filters_that_do_not_help_are_not_ranked():
    table = tabulate("title", [filtered("", 0, 100, method=""), filtered("1", 10, 90)])
    assert table.findings == [
        "On B, no filter lowers the success of adaptive pgd, 100.0 % of 100 images (95 % interval 96.3 to 100.0) "
        "without one."
    ]
