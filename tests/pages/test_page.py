"""The page as a whole, on synthetic results: its answer, its sections, and how it behaves in a browser."""

import json
import re

import pytest
from PIL import Image

from foolflow.pages.answer import board
from foolflow.pages.gallery import gallery
from foolflow.pages.page import render
from foolflow.pages.pictures import pictures
from foolflow.pages.source import Source
from foolflow.pages.tables import table
from tests.pages.axe import violations
from tests.pages.opened import PHONE, WIDE, Page
from tests.pages.pages import HOSTILE, Attack, World, command
from tests.waiting import wait_for

ROOMY = 10**8
TABLE = {
    "title": "Accuracy <under> attack",
    "columns": [{"name": "attack", "numeric": False}, {"name": "accuracy %", "numeric": True}],
    "rows": [["fgsm", "67.20 (63.0 to 71.2)"], ["pgd", "∞"], ["deepfool", ""], ["all", "9.00"]],
    "sort": [[None, 67.2], [None, 1e308], [None, None], [None, None]],
    "totals": [3],
    "best": [[0, 1]],
    "images": [[0, 1, {"dataset": "digits", "model": "a", "defense": "none", "seed": 0, "attack": "fgsm"}]],
    "findings": ["fgsm fools a third of the images (95 % interval 29 to 37)."],
    "notes": ["The worst case is an upper bound."],
}
SOURCE = Source(["0123abc"], [0], [{"hardware": "a processor", "software": "torch 2"}], [("tables/a.csv", "ab" * 32)])


def world_of(folder, victims, names):
    """Return results with these victims, each under two attacks, for the study `leaderboard`."""
    world = World(folder)
    world.add_dataset("digits", names)
    for victim in victims:
        for attack in ("fgsm", "pgd"):
            world.add_set("digits", (victim, "none", 0), Attack(attack, (0.1,)))
        world.judge("digits", (victim, "none", 0), [("fgsm", None), ("pgd", None)], names, "leaderboard")
    return world


def page_of(world, folder):
    cells = [cell | {"study": "leaderboard"} for cell in world.cells]
    spec = {"title": "digits_linf", "dataset": "digits", "norm": "linf", "epsilon": 0.1, "table": None}
    shown = gallery(cells, world.artefacts, limit=ROOMY, command=command)
    one = board(spec | {"attempts": cells}, world.artefacts, lambda cell, row: shown.place(cell, row) is not None)
    drawn = folder / "figure.png"
    Image.new("RGB", (800, 500), "white").save(drawn)
    (picture,) = pictures([drawn], ROOMY)
    figure = {"title": "A figure", "path": "a/figure", "name": "a_figure", "picture": picture}
    study = {
        "name": "leaderboard",
        "title": "Leaderboard",
        "question": "Which victim is the most robust?",
        "setup": [("Data", [("digits", "test split")])],
        "tables": [table(TABLE, "a", "What an *adaptive* attack leaves.")],
        "figures": [{"caption": "A white figure.", "figures": [figure] * 8}],
    }
    return render([one], [study], table(TABLE, "times", ""), SOURCE, shown, report="report.html", version="1")


WORLDS = {
    "one victim": (["a"], ("zero", "one", "two")),
    "two victims, two classes": (["a", "b"], ("yes", "no")),
    "thirty victims": ([f"network_{number}" for number in range(30)], ("zero", "one", "two")),
    "a thousand classes": (["a"], tuple(f"class {number}" for number in range(1000))),
    "hostile names": (["a"], HOSTILE),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module", params=WORLDS)
def any_file(request, folder):
    """A page with few or many victims and classes."""
    victims, names = WORLDS[request.param]
    here = folder / request.param.replace(" ", "_")
    here.mkdir(exist_ok=True)
    file = here / "index.html"
    file.write_text(page_of(world_of(here, victims, names), here), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def file(folder):
    here = folder / "usual"
    here.mkdir()
    file = here / "index.html"
    file.write_text(page_of(world_of(here, ["a", "b", "c"], ("zero", "one", "two")), here), encoding="utf-8")
    return file


@pytest.fixture
def page(browser, file):
    opened = Page(browser, file)
    yield opened
    assert opened.errors() == []


# ---- Without a browser ----


def test_the_same_results_give_the_same_bytes(file, folder):
    again = folder / "again"
    again.mkdir()
    text = page_of(world_of(again, ["a", "b", "c"], ("zero", "one", "two")), again)
    assert text == file.read_text(encoding="utf-8")


def test_nothing_is_loaded_and_every_word_is_escaped(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert not re.search(r'(?:src|href)="(?!data:image/png|#|tables/|figures/|manifest\.json|report\.html)', text)
    assert "Accuracy &lt;under&gt; attack" in text


def test_the_words_can_be_read_without_javascript(file):
    plain = re.sub(r"<(script|style).*?</\1>", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert plain.count("<table") == 5  # the ranking, the study's, the explorer's sets, the times and the checksums
    assert "67.20" in plain
    assert "fgsm fools a third of the images" in plain


# ---- In a browser ----


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_the_first_screen_answers_and_nothing_is_wider_than_the_window(browser, any_file, size):
    page = Page(browser, any_file).open(size)
    assert page.width() <= size[0]
    assert page.errors() == []
    verdict = page.one("h1")
    assert re.search(r"\d+\.\d\s%( instead of \d+\.\d\s%)?", verdict.text)
    first, last = page.one(".numbers").rect, wait_for(lambda: page.all(".eight canvas"))[0].rect
    assert first["y"] < 0.5 * size[1]
    assert last["y"] + last["height"] < size[1]  # the first image is visible without scrolling
    assert "95 % interval" in page.one(".numbers").text or re.search(r"\d to \d", page.one(".numbers").text)
    assert re.search(r"n = 12|\b12\b", page.one(".numbers").text)
    assert len(page.all(".eight li")) in range(1, 9)


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_reports_no_violation(page, size, dark):
    page.open(size, dark=dark)
    for each in page.all("details"):
        page.run("arguments[0].open = true", each)
    assert violations(page.browser) == []


@pytest.mark.parametrize("any_file", ["hostile names"], indirect=True)
def test_a_hostile_class_name_is_text(browser, any_file):
    page = Page(browser, any_file).open()
    shown = wait_for(lambda: [each.get_attribute("title") for each in page.all(".eight .says[title]")])
    assert HOSTILE[0] in shown
    assert page.all("img[src='x']") == []
    assert page.errors() == []


def test_the_images_of_the_answer_are_painted_and_lead_to_the_explorer(page):
    page.open()
    canvas = wait_for(lambda: page.all(".eight canvas"))[0]
    colours = "const c = arguments[0]; const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
    assert wait_for(lambda: page.run(f"{colours} return new Set(d).size", canvas) > 2)
    page.press(page.one(".eight a"))
    assert wait_for(lambda: page.run("return location.hash").startswith("#explorer?"))
    assert "at=digits,a" in page.run("return location.hash")
    assert wait_for(lambda: "Test image" in page.one("#explorer").text or "TEST IMAGE" in page.one("#explorer").text)


def test_choosing_a_victim_shows_its_images(page):
    page.open()
    before = wait_for(lambda: page.one("#examples-of").text)
    chosen = next(each for each in page.all("button.victim") if each.text not in before)
    name = chosen.text
    page.press(chosen)
    assert name in page.one("#examples-of").text
    assert [each.text for each in page.all("button.victim[aria-pressed=true]")] == [name]


def test_a_number_of_the_answer_and_of_a_table_leads_to_its_images(page):
    page.open()
    page.press(page.one(".ranking td a"))
    assert "model=" in page.run("return location.hash")
    assert wait_for(lambda: "24 images" in page.one("#explorer").text)  # two attacks on twelve images
    page.open()
    page.press(page.one("#leaderboard td a"))
    assert "attack=fgsm" in page.run("return location.hash")
    assert wait_for(lambda: "12 images" in page.one("#explorer").text)


def test_a_heading_sorts_in_both_directions_and_totals_stay_last(page):
    page.open()
    column = lambda: [row.text.split()[0] for row in page.all("#leaderboard tbody tr")]  # noqa: E731
    head = page.all("#leaderboard thead th")[1]
    page.press(head.find_element("tag name", "button"))
    assert column() == ["pgd", "fgsm", "deepfool", "all"]
    assert head.get_attribute("aria-sort") == "descending"
    page.press(head.find_element("tag name", "button"))
    assert column() == ["fgsm", "pgd", "deepfool", "all"]
    page.press(page.all("#leaderboard thead th button")[0])
    assert column() == ["deepfool", "fgsm", "pgd", "all"]


def test_a_figure_is_enlarged_and_can_be_saved(page):
    page.open()
    page.press(page.one(".enlarge"))
    zoom = page.one("#zoom")
    assert zoom.is_displayed()
    assert page.run("return arguments[0].querySelector('img').naturalWidth", zoom) == 800
    page.press(zoom.find_element("css selector", ".close"))
    assert not zoom.is_displayed()
    assert page.one(".save a[href$='.pdf']").get_attribute("href").endswith("figures/a/figure.pdf")
    saved = page.run(
        """
        const made = []; const click = HTMLAnchorElement.prototype.click;
        HTMLAnchorElement.prototype.click = function () { made.push([this.download, this.href.slice(0, 22)]); };
        document.querySelector('.save-png').click();
        HTMLAnchorElement.prototype.click = click;
        return made;
        """
    )
    assert saved == [["a_figure.png", "data:image/png;base64,"]]


def test_many_figures_of_one_kind_fold_away(page):
    page.open()
    assert len([each for each in page.all(".enlarge") if each.is_displayed()]) == 6
    page.press(page.one("details.more summary"))
    assert len([each for each in page.all(".enlarge") if each.is_displayed()]) == 8


@pytest.mark.parametrize("how", ["hover", "focus"])
def test_a_term_is_explained_on_hover_and_on_focus(page, how):
    from selenium.webdriver import ActionChains, Keys

    page.open()
    term = page.one("#leaderboard .findings dfn")
    tip = page.one("#tip")
    page.run("arguments[0].scrollIntoView({ block: 'center' })", term)
    if how == "hover":
        ActionChains(page.browser).move_to_element(term).perform()
    else:
        page.run("arguments[0].focus()", term)
    assert wait_for(lambda: tip.is_displayed())
    assert tip.text == term.get_attribute("data-meaning")
    ActionChains(page.browser).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()


def test_checksums_are_filtered(page):
    page.open(address="#checksums")
    page.run("document.getElementById('checksums').open = true")
    rows = lambda: [each for each in page.all(".checksums tbody tr") if each.is_displayed()]  # noqa: E731
    assert len(rows()) == 1
    page.one("#checksum-filter").send_keys("figures")
    assert rows() == []


def test_every_link_within_the_page_has_a_target(page):
    page.open()
    ids = {each.get_attribute("id") for each in page.all("[id]")}
    links = {each.get_attribute("href").partition("#")[2].partition("?")[0] for each in page.all("a[href*='#']")}
    assert len(links) >= 4
    assert links <= ids


@pytest.mark.parametrize("any_file", ["thirty victims"], indirect=True)
@pytest.mark.parametrize(("size", "few"), [(PHONE, 5), (WIDE, 12)], ids=["phone", "wide"])
def test_many_victims_unfold(browser, any_file, size, few):
    page = Page(browser, any_file).open(size)
    rows = lambda: [each for each in page.all(".ranking tbody tr") if each.is_displayed()]  # noqa: E731
    assert len(rows()) == few
    page.press(page.one(".unfold"))
    assert len(rows()) == 30


@pytest.mark.parametrize("any_file", ["thirty victims"], indirect=True)
@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_sorting_a_folded_ranking_shows_all_of_it(browser, any_file, size):
    """Its first rows are others then, and the fold hides rows by their rank."""
    page = Page(browser, any_file).open(size)
    page.press(page.all(".ranking thead button")[1])
    assert len([each for each in page.all(".ranking tbody tr") if each.is_displayed()]) == 30
    assert page.all(".unfold") == []


def test_the_page_prints_its_words_and_not_its_tools(page):
    page.open()
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        page.run("window.dispatchEvent(new Event('beforeprint'))")
        assert not page.one("#explorer").is_displayed()
        assert not page.one(".top").is_displayed()
        assert all(each.is_displayed() for each in page.all(".enlarge"))
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_the_examples_are_json_that_no_name_can_leave(file):
    text = file.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="answer-data">(.*?)</script>', text).group(1)
    assert "<" not in data
    assert {victim["name"] for victim in json.loads(data)} == {"a", "b", "c"}
