"""The leaderboard page: its contents and, in a browser, sorting, filters and example images."""

import json
import re
import time

import numpy as np
import pytest

from foolflow.data.splits import Split
from foolflow.pages.examples import EXAMPLES, examples
from foolflow.pages.leaderboard import Section, render
from foolflow.statistics.robustness import Budget
from foolflow.tables.leaderboard import Board, standings, tabulate
from tests.tables.boards import attempt

IMAGES = np.arange(20, dtype=np.uint8)[:, None, None, None].repeat(8, 2).repeat(8, 3)
SPLIT = Split(IMAGES, np.arange(20) % 2, ("cat", "</script>", "other"))
ZOO = [
    attempt("A", "fgsm", "+" * 20),
    attempt("A", "deepfool", "-" * 5 + "+" * 15),
    attempt("B10", "fgsm", "-" * 10 + "+" * 10, clean="+" * 19 + "-"),
    attempt("B10", "deepfool", "+" * 10 + "-" * 10),
    attempt("B9", "fgsm", "-" * 2 + "+" * 18),
    attempt("B9", "deepfool", "-" * 3 + "+" * 17),
]
DEFENDED = [
    attempt("A", "fgsm", "-" * 20, seed=0),
    attempt("A", "fgsm", "-" * 20, seed=1),
    attempt("A", "fgsm", "+" * 20, defense="jpeg", seed=0),
    attempt("A", "fgsm", "+" * 20, defense="jpeg", seed=1),
    attempt("A", "fgsm", "+" * 19 + "-", defense="jpeg", seed=0, source="A/none"),
    attempt("A", "fgsm", "+" * 20, defense="jpeg", seed=1, source="A/none"),
]


def section(name, attempts, read=lambda attempt, row: np.full((1, 8, 8), row / 40, np.float32)):
    board = Board(name, "mnist", None)
    shown = {
        (standing.model, standing.defense, str(standing.seed), column): found
        for standing in standings(board, attempts)
        for column, found in examples(standing, SPLIT, read).items()
    }
    return Section(board, tabulate(board, attempts), shown)


@pytest.fixture(scope="module")
def template(root):
    return (root / "foolflow/pages/leaderboard.html").read_text()


@pytest.fixture(scope="module")
def page(template):
    return render(template, [section("zoo", ZOO), section("defended", DEFENDED)])


def data_of(page):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page).group(1))


def test_the_same_boards_give_the_same_bytes(template, page):
    assert render(template, [section("zoo", ZOO), section("defended", DEFENDED)]) == page


def test_the_page_loads_nothing_and_no_class_name_ends_the_script(page):
    assert "http" not in page
    assert not re.search(r'(src|href)="', page)
    assert page.count("</script>") == 2
    assert {example["label"] for shown in data_of(page)["cells"].values() for example in shown} == {"cat", "</script>"}


def test_the_tables_do_not_need_javascript(page):
    plain = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert plain.count("<table>") == 2
    assert "<button" not in plain
    assert "<b>75.0</b>" in plain  # A under deepfool
    assert 'id="filters" hidden' in plain


def test_broken_images_come_first_and_classes_alternate():
    (first, *_) = standings(Board("zoo", "mnist", None), ZOO)
    found = examples(first, SPLIT, read=lambda attempt, row: np.full((1, 8, 8), row / 255, np.float32))
    shown = found["deepfool"]
    assert len(shown) == EXAMPLES
    assert [example.image for example in shown] == [0, 1, 2, 3, 4, 5]
    assert [example.prediction for example in shown] == ["other"] * 5 + ["</script>"]
    assert [example.adversarial[0, 0, 0] for example in shown] == [0, 1, 2, 3, 4, 5]
    assert shown[0].how == "deepfool: L2 1, L∞ 0.5"
    assert [example.how.partition(":")[0] for example in found["worst case"]] == ["deepfool"] * 5 + ["fgsm"]


def test_an_adversarial_image_outside_the_budget_is_marked():
    board = Board("zoo", "mnist", Budget("l2", 1.0))
    far = attempt("A", "fgsm", "--", l2=[0.5, 2.0])
    (standing,) = standings(board, [far])
    shown = examples(standing, SPLIT, lambda attempt, row: np.zeros((1, 8, 8), np.float32), board.budget)["fgsm"]
    assert [example.how for example in shown] == ["fgsm: L2 0.5, L∞ 0.5", "fgsm: L2 2, L∞ 0.5; outside the budget"]
    assert standing.right["fgsm"].tolist() == [False, True]


def test_a_clean_cell_shows_errors_first_and_no_adversarial_images():
    standing = standings(Board("zoo", "mnist", None), ZOO)[1]
    shown = examples(standing, SPLIT, read=lambda attempt, row: np.zeros((1, 8, 8), np.float32))["clean"]
    assert shown[0].image == 19
    assert shown[0].clean_prediction == "other"
    assert {example.adversarial is None for example in shown} == {True}


def test_a_picture_shown_by_several_cells_is_stored_once(page):
    pictures = data_of(page)["pictures"]
    assert len(pictures) == len(set(pictures))


# ---- In a browser ----


@pytest.fixture
def opened(browser, page, tmp_path):
    file = tmp_path / "leaderboard.html"
    file.write_text(page, encoding="utf-8")
    browser.set_window_size(1000, 900)
    browser.get(file.as_uri())
    return browser


def board(browser, name):
    return browser.find_element("css selector", f'section[data-board="{name}"]')


def column(browser, name, number):
    """Return the visible text of a column of a board, row by row."""
    rows = board(browser, name).find_elements("css selector", "tbody tr:not(.examples)")
    return [row.find_elements("css selector", "th, td")[number].text for row in rows if row.is_displayed()]


def head(browser, name, text):
    heads = board(browser, name).find_elements("css selector", "thead th")
    return next(each for each in heads if each.text.startswith(text))


def choose(browser, attribute, value):
    select = browser.find_element("id", f"filter-{attribute}")
    select.find_element("css selector", f'option[value="{value}"]').click()


def boards_shown(browser):
    found = browser.find_elements("css selector", "section.board")
    return [each.get_attribute("data-board") for each in found if each.is_displayed()]


def test_a_heading_sorts_in_both_directions(opened):
    assert column(opened, "zoo", 1) == ["B9", "A", "B10"]
    head(opened, "zoo", "deepfool").find_element("tag name", "button").click()
    assert column(opened, "zoo", 1) == ["B9", "A", "B10"]
    assert head(opened, "zoo", "deepfool").get_attribute("aria-sort") == "descending"
    head(opened, "zoo", "deepfool").find_element("tag name", "button").click()
    assert column(opened, "zoo", 1) == ["B10", "A", "B9"]
    head(opened, "zoo", "model").find_element("tag name", "button").click()
    assert column(opened, "zoo", 1) == ["A", "B9", "B10"]  # numbers in names sort by value
    assert head(opened, "zoo", "deepfool").get_attribute("aria-sort") is None
    assert column(opened, "defended", 2) == ["jpeg"] * 3 + ["none"] * 3


def test_empty_cells_come_last_in_both_directions(opened):
    for _ in range(2):
        head(opened, "defended", "fgsm, transferred").find_element("tag name", "button").click()
        assert column(opened, "defended", 2)[-3:] == ["none"] * 3


def test_filters_show_only_what_is_selected(opened):
    status = opened.find_element("id", "status")
    choose(opened, "model", "B9")
    assert boards_shown(opened) == ["zoo"]
    assert column(opened, "zoo", 1) == ["B9"]
    assert status.text == "1 row shown."
    choose(opened, "model", "")
    choose(opened, "attack", "deepfool")
    assert boards_shown(opened) == ["zoo"]
    heads = board(opened, "zoo").find_elements("css selector", "thead th")
    shown = [each.text.split("\n")[0] for each in heads if each.is_displayed()]
    assert shown == ["rank", "model", "defense", "clean", "worst case", "deepfool", "vs. next below"]
    choose(opened, "defense", "jpeg")
    assert boards_shown(opened) == []
    assert status.text == "No board matches these filters."
    opened.find_element("css selector", "button[type=reset]").click()
    deadline = time.monotonic() + 5
    while len(boards_shown(opened)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert boards_shown(opened) == ["zoo", "defended"]
    choose(opened, "board", "defended")
    assert boards_shown(opened) == ["defended"]


def test_clicking_a_number_opens_and_closes_its_images(opened):
    row = board(opened, "zoo").find_element("css selector", 'tr[data-model="A"]')
    button = row.find_elements("css selector", "td button")[3]  # after clean, worst case and fgsm
    assert "75.0" in button.text
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    cards = opened.find_elements("css selector", "tr.examples li")
    assert len(cards) == EXAMPLES
    assert "image 0, class cat" in cards[0].text
    assert "clean: cat ✓" in cards[0].text
    assert "attacked: other ✗" in cards[0].text
    assert "deepfool: L2 1" in cards[0].text
    images = cards[0].find_elements("tag name", "img")
    assert [opened.execute_script("return arguments[0].naturalWidth", image) for image in images] == [8, 8]
    assert images[0].value_of_css_property("image-rendering") == "pixelated"
    button.click()
    assert opened.find_elements("css selector", "tr.examples") == []


def test_the_page_works_with_the_keyboard_alone(opened):
    from selenium.webdriver.common.keys import Keys

    button = board(opened, "zoo").find_elements("css selector", "tbody td button")[0]
    opened.execute_script("arguments[0].focus()", head(opened, "zoo", "vs. next").find_element("tag name", "button"))
    opened.switch_to.active_element.send_keys(Keys.TAB)
    assert opened.switch_to.active_element == button
    button.send_keys(Keys.ENTER)
    assert len(opened.find_elements("css selector", "tr.examples")) == 1
    button.send_keys(Keys.TAB)
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert opened.find_elements("css selector", "tr.examples") == []
    assert opened.switch_to.active_element == button


def test_each_seed_has_images_but_a_mean_over_seeds_has_none(opened):
    mean, one, *_ = board(opened, "defended").find_elements("css selector", "tbody tr")
    assert "mean" in mean.get_attribute("class")
    assert mean.find_elements("tag name", "button") == []
    assert len(one.find_elements("css selector", "td button")) == 4


def test_the_page_fits_a_window_1000_pixels_wide_and_logs_no_errors(opened):
    assert opened.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []
