"""Characters that the base font lacks. These tests use the fonts that Matplotlib bundles, whatever the system has."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from foolflow.figures import fonts
from foolflow.figures.style import house_style, save_figure
from foolflow.figures.text import class_name

# STIXGeneral has the first character, DejaVu Serif the second one, and no bundled font the others.
SCRIPT_G, ARROW = "\u210a", "\u2900"
CAT = "猫"
NONE = f"{CAT}고ネ"


@pytest.fixture
def bundled(monkeypatch):
    folder = mpl.get_data_path()
    found = tuple(entry for entry in fonts._installed() if entry.fname.startswith(folder))
    monkeypatch.setattr(fonts, "_installed", lambda: found)
    return found


def drawn(*lines: str) -> Figure:
    with house_style():
        figure = Figure(figsize=(3, 2))
        axes = figure.subplots()
        axes.set_title(lines[0])
        axes.set_yticks(range(len(lines)), lines)
        axes.plot([0, len(lines)], label=lines[-1])
        axes.legend()
        figure.suptitle(lines[0])
        return figure


def files(*fontnames: str) -> list[str]:
    return [Path(name.rpartition(":")[0]).name for name in fontnames]


def test_ordinary_text_needs_no_other_font_and_no_search(monkeypatch):
    monkeypatch.setattr(fonts, "_installed", lambda: pytest.fail("the fonts were searched"))
    figure = drawn("cat → dog …", "naïve ½ ε = 0.1", "קטה", class_name("قطة"), "кошка", "a$b$_^", "tab\tline\n")
    assert fonts.set_fonts(figure) == set()
    assert {tuple(text.get_fontfamily()) for text in figure.findobj(fonts.Text)} == {(fonts.BASE,)}


def test_each_missing_character_comes_from_a_font_that_has_it(bundled, tmp_path):
    figure = drawn(f"a{SCRIPT_G}", f"b{ARROW}", "c")
    assert fonts.set_fonts(figure) == set()
    families = {tuple(text.get_fontfamily()) for text in figure.findobj(fonts.Text) if text.get_text()}
    ((base, *others),) = families
    assert base == fonts.BASE
    (entries,) = [[entry for entry in bundled if f"{entry.fname}:{entry.index}" in others]]
    assert set.union(*(fonts._covered(entry, {SCRIPT_G, ARROW}) for entry in entries)) == {SCRIPT_G, ARROW}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Matplotlib warns of a missing glyph and of an unknown family
        figure.savefig(tmp_path / "figure.png")
        figure.savefig(tmp_path / "figure.pdf")


def test_a_plain_font_is_preferred_and_the_order_of_the_fonts_does_not_matter(bundled):
    for order in (bundled, bundled[::-1]):
        names, missing = fonts.fallbacks(frozenset({SCRIPT_G}), order)
        assert files(*names) == ["STIXGeneral.ttf"]  # not the bold or italic one
        assert missing == set()


def test_boxes_of_a_stand_in_do_not_count_as_characters(bundled):
    assert not [entry.name for entry in bundled if entry.name.startswith(fonts.STAND_INS)]
    names, missing = fonts.fallbacks(frozenset(NONE + SCRIPT_G), bundled)
    assert files(*names) == ["STIXGeneral.ttf"]
    assert missing == set(NONE)


def test_characters_without_a_font_are_returned_and_matplotlib_does_not_warn_of_each(bundled, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        missing = save_figure(drawn(CAT, f"{NONE} ok"), tmp_path / "one.png", tmp_path / "one.pdf")
    assert missing == set(NONE)
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_a_notice_is_one_line_that_says_what_to_install():
    line = fonts.notice(set(f"{NONE}हि"))
    assert "5 characters" in line
    assert "ネ (Katakana), 猫 (CJK), 고 (Hangul)" in line
    assert "fonts-noto-cjk and fonts-noto-core" in line
    assert line.isprintable()
    assert "fonts-symbola" in fonts.notice({"🦜"})
    assert fonts.notice({"\ue000"})  # a private character has no name


def test_a_broken_font_file_is_passed_over(tmp_path):
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    assert list(fonts._faces(str(broken))) == []
    assert list(fonts._faces(str(tmp_path / "absent.ttf"))) == []


def test_the_job_prints_one_notice_for_all_its_figures(root, tmp_path):
    """Without fonts of the system. A title of the config may contain any character, too."""
    table = tmp_path / "tables/steps.csv"
    table.parent.mkdir()
    table.write_text("change,success,low,high\nfirst,0.5,0.4,0.6\nsecond,0.6,0.5,0.7\n")
    exhibits = [
        {"name": title, "module": "waterfall", "spec": {"title": title, "table": "steps"}} for title in (CAT, "고")
    ]
    command = [sys.executable, root / "scripts", "draw", "--spec", json.dumps(exhibits), "--input", "tables", table]
    pngs, pdfs = ([tmp_path / f"{number}.{kind}" for number in (1, 2)] for kind in ("png", "pdf"))
    done = subprocess.run(
        [*command, "--png", *pngs, "--pdf", *pdfs, "--log", tmp_path / "log"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"MPL_IGNORE_SYSTEM_FONTS": "1", "MPLCONFIGDIR": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "notice: " in line)
    assert "猫 (CJK), 고 (Hangul)" in line
    assert line in (tmp_path / "log").read_text().splitlines()
    assert "Glyph" not in (tmp_path / "log").read_text()
