import pandas as pd
import pytest

from foolflow.figures.transfer_matrix import heat_map
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


def test_a_victim_that_exists_with_the_first_seed_only_has_empty_cells_for_the_others():
    attempts = [
        attempt(target, "fgsm", "+---", seed=seed, source=None if target == source else f"{source}/none")
        for seed, names in ((0, "AB"), (1, "A"))
        for target in names
        for source in names
    ]
    table = tabulate("zoo", "mnist", "fgsm", attempts)
    assert table.display["seed"].tolist() == ["0", "0", "0", "1", "1", "mean", "mean"]
    assert table.display["B"].tolist()[3:5] == ["", ""]
    assert table.display["A"].tolist()[3:] == ["75.0 (30.1 to 95.4)", "4", "75.0 ± 0.0", "75.0"]
    assert (3, "B") not in table.images


def matrix(*rows):
    """Return a matrix of victims A, B, ...: row i has the marks of the images of source i on each target."""
    names = "ABCDEFGH"[: len(rows)]
    return tabulate(
        "zoo",
        "mnist",
        "fgsm",
        [
            attempt(target, "fgsm", rows[j][i], source=None if target == source else f"{source}/none")
            for i, target in enumerate(names)
            for j, source in enumerate(names)
        ],
    )


def test_the_strongest_and_the_weakest_pair_are_named():
    table = matrix(["----", "---+", "++++"], ["+++-", "----", "+-++"], ["++--", "++++", "---+"])
    assert table.findings == [
        "The highest measured success on another victim is 75.0 % of 4 images (95 % interval 30.1 to 95.4), from A to "
        "B.",
        "The lowest is 0.0 % of 4 images each, from C to B and from A to C.",
        "On the victim that the images were made on, success is 75.0 to 100.0 %.",
    ]
    assert table.totals == [3]


def test_equal_pairs_and_missing_pairs_are_not_ranked():
    assert matrix(["--", "+-"], ["+-", "--"]).findings[0] == (
        "The measured success on another victim is 50.0 % of 2 images each, from B to A and from A to B."
    )
    own = tabulate("zoo", "mnist", "fgsm", [attempt("A", "fgsm", "--")])
    assert own.findings == [
        "No image was tried on a victim that it was not made on.",
        "On the victim that the images were made on, success is 100.0 %.",
    ]
    nothing = tabulate("zoo", "mnist", "fgsm", [attempt("A", "fgsm", "--", clean="--")])
    assert nothing.findings == ["No image was tried on a victim that it was not made on."]


def test_many_pairs_that_tie_are_counted_not_listed():
    marks = [["----" if one == other else "++++" for other in range(8)] for one in range(8)]
    marks[0][1] = "-+++"
    assert "and 51 others" in matrix(*marks).findings[1]


def test_each_pair_leads_to_the_images_of_its_source_as_the_target_sees_them():
    table = matrix(["--", "+-"], ["+-", "--"])
    target = {"dataset": "mnist", "model": "B", "defense": "none", "seed": 0}
    assert table.images[0, "B"] == {**target, "attack": "fgsm", "source": "A/none"}
    assert table.images[1, "B"] == {**target, "attack": "fgsm", "source": None}
    assert table.images[2, "B"] == target  # the number of images


def controlled(*seeds):
    """Return a matrix of A and B on these seeds, in which noise fools A on one image of four and B on none."""
    return tabulate(
        "zoo",
        "mnist",
        "pgd",
        [
            one
            for seed in seeds
            for target, other, noise in (("A", "B", "-+++"), ("B", "A", "++++"))
            for one in (
                attempt(target, "pgd", "----", seed=seed),
                attempt(target, "pgd", "--++", seed=seed, source=f"{other}/none"),
                attempt(target, "noise", noise, seed=seed),
            )
        ],
        control="noise",
    )


def test_the_control_is_the_last_row_and_no_source():
    table = controlled(0)
    assert table.display["source"].tolist() == ["A", "B", "random noise", "n, correct when clean"]
    assert table.display["A"].tolist()[2:] == ["25.0 (4.6 to 69.9)", "4"]
    assert table.totals == [3]
    assert table.images[2, "A"]["attack"] == "noise"
    assert table.images[2, "A"]["source"] is None
    assert table.findings == [
        "The measured success on another victim is 50.0 % of 4 images each, from B to A and from A to B.",
        "On the victim that the images were made on, success is 100.0 %.",
        "Random noise of the same epsilon has a success of 0.0 to 25.0 %.",
    ]
    assert any(note.startswith("Random noise (noise): a control") for note in table.notes)
    assert not any("oise" in note for note in matrix(["--", "+-"], ["+-", "--"]).notes)


def test_with_several_seeds_the_control_has_a_mean():
    table = controlled(0, 1)
    assert table.display["source"].tolist()[-3:] == ["A", "B", "random noise"]
    assert table.display["A"].tolist()[-1] == "25.0 ± 0.0"


def test_the_heat_map_ends_with_the_control():
    shown = heat_map(controlled(0).data)
    assert shown.rows == ["A", "B", "random noise"]
    assert shown.columns == ["A", "B"]
    assert shown.values[2].tolist() == [0.25, 0.0]
    assert heat_map(matrix(["--", "+-"], ["+-", "--"]).data).rows == ["A", "B"]


def test_means_over_seeds_lead_nowhere_and_are_what_the_findings_report():
    attempts = [
        attempt(target, "fgsm", marks, seed=seed, source=None if target == source else f"{source}/none")
        for seed, marks in ((0, "+---"), (1, "++--"))
        for target in ("A", "B")
        for source in ("A", "B")
    ]
    table = tabulate("zoo", "mnist", "fgsm", attempts)
    assert table.findings[0] == (
        "The measured success on another victim is 62.5 ± 17.7 % over the seeds, from B to A and from A to B."
    )
    assert {row for row, _ in table.images} == {0, 1, 2, 3, 4, 5}
    assert table.totals == [2, 5]
    assert table.images[3, "A"]["seed"] == 1
