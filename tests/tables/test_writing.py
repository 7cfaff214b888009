"""What all tables share: four formats, sort keys, best values, verdicts and links."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foolflow.tables.links import links, to_images, to_victim
from foolflow.tables.wording import agreement, extremes, listed, overlap, random_note, span
from foolflow.tables.writing import (
    INFINITE,
    Table,
    best_cells,
    deviation,
    leading_number,
    p_text,
    percent,
    points,
    verdict,
    verdict_note,
    write_table,
)

VICTIM = {"dataset": "mnist", "model": "A", "defense": "none", "seed": 0}


def table(columns, **fields):
    display = pd.DataFrame(columns)
    return Table("A <b>title</b>", pd.DataFrame({"value": [0.1 + 0.2]}), display, ["<i>A note.</i>"], **fields)


def written(made, tmp_path):
    paths = {suffix: tmp_path / f"a.{suffix}" for suffix in ("csv", "md", "html", "json")}
    write_table(made, *paths.values())
    return {suffix: path.read_text(encoding="utf-8") for suffix, path in paths.items()}


def test_a_table_is_written_four_ways_and_html_is_escaped(tmp_path):
    texts = written(table({"model": ["<u>"]}, findings=["A < B."]), tmp_path)
    assert texts["csv"] == "value\n0.30000000000000004\n"
    assert texts["md"].index("| <u>") < texts["md"].index("A < B.") < texts["md"].index("<i>A note.")
    html = texts["html"]
    assert html.index("&lt;u&gt;") < html.index("<p>A &lt; B.</p>") < html.index("<p>&lt;i&gt;A note.&lt;/i&gt;</p>")
    assert not any(tag in html for tag in ("<b>title", "<u>", "<i>"))


def test_the_page_gets_text_sort_keys_best_values_and_images(tmp_path):
    link = to_images(VICTIM, "fgsm")
    made = table(
        {"attack": ["fgsm", "pgd", "all"], "median": ["1,234.5 (1 to 2)", "∞", "9"], "note": ["", "", ""]},
        findings=["It works."],
        best={"median": "lowest", "gone": "highest"},
        best_within=["gone"],
        totals=[2],
        images={(0, "median"): link},
    )
    assert json.loads(written(made, tmp_path)["json"]) == {
        "title": "A <b>title</b>",
        "columns": [
            {"name": "attack", "numeric": False},
            {"name": "median", "numeric": True},
            {"name": "note", "numeric": False},
        ],
        "rows": [["fgsm", "1,234.5 (1 to 2)", ""], ["pgd", "∞", ""], ["all", "9", ""]],
        "sort": [[None, 1234.5, None], [None, INFINITE, None], [None, None, None]],
        "totals": [2],
        "best": [[0, 1]],
        "images": [[0, 1, {**VICTIM, "attack": "fgsm", "source": None}]],
        "findings": ["It works."],
        "notes": ["<i>A note.</i>"],
    }


def test_the_page_is_strict_json_whatever_the_numbers(tmp_path):
    text = written(table({"a": ["∞", "-∞", "nan", "1e400", ""]}), tmp_path)["json"]

    def refuse(constant):
        raise AssertionError(constant)

    assert [row[0] for row in json.loads(text, parse_constant=refuse)["sort"]] == [
        INFINITE,
        -INFINITE,
        None,
        INFINITE,
        None,
    ]


def test_an_image_of_a_column_that_is_not_shown_is_a_bug(tmp_path):
    with pytest.raises(ValueError, match="gone"):
        written(table({"a": ["1"]}, images={(0, "gone"): to_victim(VICTIM)}), tmp_path)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.3 (10 to 15)", 12.3),
        ("99.0 ± 0.5", 99.0),
        ("38.5 to 57.7", 38.5),
        ("1,234", 1234.0),
        ("< 1e-300", 1e-300),
        ("7e-21", 7e-21),
        ("-26.67", -26.67),
        ("+3.2 higher", 3.2),
        ("\u22121.4 lower", -1.4),
        ("100%", 100.0),
        ("∞", float("inf")),
        ("L∞ 0.0996 (0.0924 to 0.109)", 0.0996),
        ("L2 ∞ (1.5 to ∞)", float("inf")),
        ("43 s", 43.0),
        ("12:05 min", 725.0),
        ("3:20 h", 12000.0),
        ("", None),
        ("agrees", None),
        ("3layer", None),
        ("8x8", None),
        ("[1]", None),
        ("no sign", None),
        ("p 0.013 (next)", None),
        ("L∞", None),
        ("12:05", None),
    ],
)
def test_cells_are_sorted_by_the_number_that_they_begin_with(text, number):
    assert leading_number(text) == number


def test_the_best_value_is_marked_within_its_group_and_ties_share_it():
    made = table(
        {
            "model": ["A", "A", "A", "B", "B", "C"],
            "accuracy %": ["9.0 (8 to 10)", "10.0 (9 to 11)", "10.0 (8 to 12)", "7.0", "7.0", "99.0"],
            "median": ["∞", "0.5", "", "∞", "∞", "0.1"],
        },
        best={"accuracy %": "highest", "median": "lowest"},
        best_within=["model"],
    )
    assert best_cells(made) == [(1, "accuracy %"), (1, "median"), (2, "accuracy %")]


TEXTS = st.one_of(
    st.sampled_from(["", "∞", "agrees", "< 1e-300"]),
    st.floats(-1e6, 1e6).map("{:,.2f} (1 to 2)".format),
    st.integers(-3, 3).map(str),
)


@given(
    rows=st.lists(st.tuples(st.sampled_from("AB"), TEXTS), max_size=12),
    which=st.sampled_from(["highest", "lowest"]),
    totals=st.sets(st.integers(0, 11), max_size=2),
)
def test_marked_values_are_unbeaten_and_beat_something(rows, which, totals):
    totals = {row for row in totals if row < len(rows)}
    made = table(
        {"model": [group for group, _ in rows], "value": [text for _, text in rows]},
        best={"value": which},
        best_within=["model"],
        totals=sorted(totals),
    )
    sign = 1 if which == "highest" else -1
    numbers = [leading_number(text) for _, text in rows]
    marked = {row for row, _ in best_cells(made)}
    for row, (group, _) in enumerate(rows):
        rivals = [
            sign * numbers[other]
            for other, (name, _) in enumerate(rows)
            if name == group and other not in totals and numbers[other] is not None
        ]
        deserves = (
            row not in totals
            and numbers[row] is not None
            and all(sign * numbers[row] >= rival for rival in rivals)
            and any(sign * numbers[row] > rival for rival in rivals)
        )
        assert (row in marked) == deserves


@pytest.mark.parametrize(
    ("ours", "low", "high", "published", "text"),
    [
        (0.98, 0.97, 0.99, 0.985, "agrees"),
        (0.98, 0.97, 0.99, 0.99, "agrees"),
        (1.0, 0.9, 1 - 1e-12, 1.0, "agrees"),
        (0.98, 0.97, 0.99, 0.948, "+3.2 higher"),
        (0.98, 0.97, 0.99, 0.994, "\u22121.4 lower"),
        (0.9996, 0.9995, 0.9999, 0.9992, "+0.04 higher"),
        (0.5, 0.4, 0.6, None, ""),
        (0.5, 0.4, 0.6, float("nan"), ""),
        (None, 0.0, 1.0, 0.5, ""),
        (float("nan"), 0.0, 1.0, 0.5, ""),
    ],
)
def test_a_verdict_says_whether_our_interval_contains_the_published_value(ours, low, high, published, text):
    assert verdict(ours, low, high, published) == text


def test_verdicts_are_explained_where_there_are_any():
    assert verdict_note(pd.DataFrame({"accuracy %": ["1"]})) == []
    (note,) = verdict_note(pd.DataFrame({"vs. published: paper": ["agrees"]}))
    assert note.startswith("Vs. published: 'agrees' if our 95 % interval contains the published value")


@pytest.mark.parametrize(
    ("difference", "text"), [(-0.0326, "3.3"), (0.0004, "0.04"), (0.00002, "0.002"), (1e-9, "1e-07")]
)
def test_differences_have_as_many_digits_as_it_takes_to_see_them(difference, text):
    assert points(difference) == text


def test_published_values_are_summed_up_by_how_many_agree():
    measure = "accuracy"
    assert agreement("paper", measure, [("A", None)]) == []
    assert agreement("paper", measure, [("A", 0.0), ("B", None)]) == [
        "Published (paper): the accuracy lies within our 95 % interval."
    ]
    assert agreement("newer_page", measure, [("A", -0.0326)]) == [
        "Published (newer page): the accuracy lies outside our 95 % interval; ours is 3.3 points lower for A."
    ]
    assert agreement("paper", measure, [("A", 0.0), ("B", 0.01), ("C", 0.02), ("D", -0.5)]) == [
        "Published (paper): the accuracy lies within our 95 % interval in 1 of 4 comparisons; ours is higher in 2, by "
        "up to 2.0 points for C; ours is 50.0 points lower for D."
    ]
    assert agreement("paper", measure, [("A", 0.0), ("B", 0.0)]) == [
        "Published (paper): the accuracy lies within our 95 % interval in all 2 comparisons."
    ]


def test_our_value_deviates_by_nothing_inside_the_interval():
    assert deviation(0.5, 0.4, 0.6, 0.45) == 0
    assert deviation(0.5, 0.4, 0.6, 0.7) == pytest.approx(-0.2)


def rates(*rows):
    return pd.DataFrame([dict(zip(("rate", "n", "low", "high"), row, strict=True)) for row in rows])


def test_the_highest_and_the_lowest_rate_are_described():
    high, low, none = (0.9, 1000, 0.88, 0.92), (0.1, 50, 0.04, 0.21), (None, 0, 0.0, 1.0)
    assert extremes(rates(low, high, none), "rate", "ABC") == (
        "90.0 % of 1,000 images of B (95 % interval 88.0 to 92.0), the most, and 10.0 % of 50 images of A (95 % "
        "interval 4.0 to 21.0), the least; the intervals do not overlap"
    )
    assert extremes(rates(low), "rate", "A") == "10.0 % of 50 images of A (95 % interval 4.0 to 21.0)"
    assert extremes(rates(low, (0.1, 100, 0.05, 0.2)), "rate", "AB") == "10.0 % of 50 to 100 images each of A and B"
    assert extremes(rates(none), "rate", "A") == ""


def test_intervals_that_touch_overlap():
    one, other = {"low": 0.1, "high": 0.2}, {"low": 0.2, "high": 0.3}
    assert overlap(one, other) == overlap(other, one) == "the intervals overlap"


def test_lists_and_spans_are_short():
    assert [listed(list("abcdefg"[:count])) for count in (0, 1, 2, 3)] == ["", "a", "a and b", "a, b and c"]
    assert listed(list("abcdefg")) == "a, b, c, d and 3 others"
    assert span([3.04, 1.0], "{:.1f}".format) == "1.0 to 3.0"
    assert span([1.01, 1.02], "{:.1f}".format) == "1.0"


def test_a_link_names_the_victim_the_set_and_the_part_of_it():
    row = {**VICTIM, "seed": np.int64(3), "attack": "pgd", "accuracy": 0.5}
    assert to_victim(row) == {**VICTIM, "seed": 3}
    assert to_images(row) == {**VICTIM, "seed": 3, "attack": "pgd", "source": None}
    assert to_images(row, source="A/none")["source"] is None
    made = to_images(row, "fgsm", source="B/none", epsilon=np.float64(0.1), outcome="fooled")
    assert made == {**VICTIM, "seed": 3, "attack": "fgsm", "source": "B/none", "epsilon": 0.1, "outcome": "fooled"}
    json.dumps(made)


def test_cells_that_are_not_shown_have_no_link():
    display = pd.DataFrame({"a": ["1", ""], "b": ["", ""]})
    link = to_victim(VICTIM)
    assert links(display, [{"a": link, "b": link, "gone": link}, {"a": link}]) == {(0, "a"): link}


@pytest.mark.parametrize(
    ("value", "text"), [(0.04321, "0.043"), (3.2e-7, "3e-07"), (0.0, "< 1e-300"), (float("nan"), ""), (1.0, "1.000")]
)
def test_p_values_are_formatted_for_readers(value, text):
    assert p_text(value) == text


def test_percentages_have_the_given_digits():
    assert percent(0.98765) == "98.77"
    assert percent(None) == ""
    assert percent(float("nan")) == ""


def test_random_victims_are_listed_by_their_number_of_passes():
    assert random_note({}) == []
    assert random_note({"lenet/noise": 10, "CNN/noise": 10, "B/blur": 5}) == [
        "Of these victims, lenet/noise and CNN/noise draw random numbers: each prediction is that of the mean "
        "probabilities of 10 passes.",
        "Of these victims, B/blur draws random numbers: each prediction is that of the mean probabilities of 5 passes.",
    ]
