"""The page of the demo, opened in a browser as a reader would."""

import json
import re

import pytest

from tests.pages.axe import violations
from tests.pages.opened import PHONE, WIDE, Page
from tests.waiting import wait_for

STUDIES = ("robustness", "fgsm_sweep", "minimal", "stadv", "defenses", "transfer", "leaderboard", "detection")
MOST = 3_000_000  # bytes, of the demo's page


@pytest.fixture
def page(demo, browser):
    opened = Page(browser, demo.results / "index.html")
    yield opened
    assert opened.errors() == []


@pytest.fixture(scope="module")
def text(demo):
    return (demo.results / "index.html").read_text(encoding="utf-8")


def test_the_page_is_small_and_holds_most_of_what_it_may(text):
    size = len(text.encode())
    assert 0.9 * MOST < size <= MOST


def test_the_page_covers_what_was_run_and_names_no_published_project(page, text):
    page.open()
    assert [each.get_attribute("id") for each in page.all(".study")] == list(STUDIES)
    for study in STUDIES:
        section = page.one(f"#{study}")
        headings = [each.text.lower() for each in section.find_elements("tag name", "h3")]
        assert headings == ["setup", "result", "findings"]
        assert section.find_elements("css selector", ".findings li")
        assert section.find_elements("css selector", "table")
    words = page.run("return document.querySelector('main').innerText")
    assert not re.search(r"\bR[124]\b", words)  # the demo runs on other data; R3 is in the config's own title


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_nothing_is_wider_than_the_window(page, size):
    page.open(size)
    assert page.width() <= size[0]
    assert wait_for(lambda: page.all(".eight canvas"))


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_axe_reports_no_violation(page, size):
    page.open(size)
    for each in page.all("details"):
        page.run("arguments[0].open = true", each)
    assert violations(page.browser) == []


def test_tables_are_complete_and_fit_a_wide_window(page, demo):
    page.open(WIDE)
    for table in page.all(".study table"):
        shown, room = page.run("return [arguments[0].offsetWidth, arguments[0].parentNode.clientWidth]", table)
        assert shown <= room + 1, page.run("return arguments[0].closest('figure').innerText.slice(0, 60)", table)
    data = json.loads((demo.results / "tables/minimal_attacks.json").read_text(encoding="utf-8"))
    rows = next(each for each in page.all("#minimal table") if each.text.startswith("model"))
    assert len(rows.find_elements("css selector", "tbody tr")) == len(data["rows"]) == 18


def test_all_links_of_numbers_are_understood(page):
    """Each link names a set that the explorer holds, and nothing that it does not know."""
    page.open()
    links = sorted({each.get_attribute("href").partition("#")[2] for each in page.all("td a[href*='#explorer']")})
    assert len(links) > 60
    unknown = page.run(
        """
        const found = [];
        for (const link of arguments[0]) {
          history.replaceState(null, "", "#" + link);
          window.dispatchEvent(new HashChangeEvent("hashchange"));
          const text = document.getElementById("explorer").innerText;
          if (text.includes("ignored") || /Showing 0 of/.test(text)) found.push(link);
        }
        return found;
        """,
        links,
    )
    assert unknown == []


def test_provenance_names_commit_software_seeds_and_checksums(page, demo):
    page.open()
    words = page.one("#provenance").text
    manifest = json.loads((demo.results / "manifest.json").read_text(encoding="utf-8"))
    for version in (f"torch {manifest['machines'][0]['software']['torch']}", "train_victim", "attack_victim"):
        assert version in words
    assert f"Checksums of all {len(manifest['artefacts'])} artefacts" in words
    assert page.one("#provenance a[href='report.html']").is_displayed()
    assert page.all(".checksums tbody tr")


def test_the_page_says_how_to_make_an_image_again(page, demo):
    page.open(address="#explorer?dataset=digits&model=lenet&attack=robustness-pgd_margin")
    page.press(page.one("#explorer .x-thumbnail"))
    shown = wait_for(lambda: re.search(r"snakemake results/demo/attacks/\S+ .*", page.one("#explorer").text))
    words = shown[0].split()
    assert words[1] == "results/demo/attacks/digits/lenet/none/0/robustness-pgd_margin/adversarial.safetensors"
    planned = demo.snakemake(*[word for word in words[1:] if word not in ("--workflow-profile", "profiles/demo")], "-n")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout, re.MULTILINE))
    assert jobs.keys() == {"attack_victim", "total"}


def test_the_demo_ends_by_naming_the_page(demo):
    assert (demo.folder / "demo.log").read_text().rstrip().endswith("The page is results/demo/index.html")
