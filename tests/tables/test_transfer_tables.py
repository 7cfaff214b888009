import pandas as pd
import pytest

from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.transfer import tabulate
from tests.tables.boards import attempt


def test_transfer_success_is_counted_on_images_that_the_target_classifies_correctly():
    attempts = [
        attempt("A", "fgsm", "----"),
        attempt("A", "fgsm", "+-+-", source="B/none", clean="++--"),
        attempt("B", "fgsm", "++--", source="A/none", clean="-+++"),
        attempt("B", "fgsm", "---+"),
    ]
    table = tabulate("zoo", "mnist", "fgsm", attempts)
    cells = table.data.set_index(["source", "target"])
    assert cells.loc[("B/none", "A/none"), ["n", "fooled"]].tolist() == [2, 1]
    assert cells.loc[("A/none", "B/none"), ["n", "fooled"]].tolist() == [3, 2]
    assert cells.loc[("B/none", "B/none"), "success"] == 0.75
    assert (cells.loc[("A/none", "B/none"), ["low", "high"]].tolist()) == pytest.approx(wilson_interval(2, 3))
    assert table.display.columns.tolist() == ["source", "A", "B"]
    assert table.display["source"].tolist() == ["A", "B", "n, correct when clean"]
    assert "that the target classifies correctly when clean" in table.notes[0]


def test_a_target_without_correct_images_has_an_empty_cell():
    attempts = [attempt("A", "fgsm", "--", clean="--"), attempt("B", "fgsm", "--", clean="--", source="A/none")]
    table = tabulate("zoo", "mnist", "fgsm", attempts)
    assert pd.isna(table.data["success"]).all()
    assert table.display["B"].tolist() == ["", "0"]


def test_with_several_seeds_a_transfer_matrix_ends_with_the_means():
    attempts = [
        attempt(target, "fgsm", marks, seed=seed, source=None if target == source else f"{source}/none")
        for seed, marks in ((0, "+---"), (1, "++--"))
        for target in ("A", "B")
        for source in ("A", "B")
    ]
    table = tabulate("zoo", "mnist", "fgsm", attempts)
    assert table.display["seed"].tolist() == ["0", "0", "0", "1", "1", "1", "mean", "mean"]
    assert table.display["A"].tolist()[-1] == "62.5 ± 17.7"
