"""Captions and the explanation of terms."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foolflow.pages.words import TERMS, caption, explained


def plain(markup):
    return unescape(re.sub(r"<[^>]*>", "", str(markup)))


def terms(markup):
    return re.findall(r'<dfn tabindex="0" data-meaning="[^"]*">([^<]*)</dfn>', str(markup))


def test_the_first_use_of_a_term_is_explained():
    text = "A static attack, then another static one, and an adaptive attack."
    assert terms(explained(text)) == ["static", "adaptive"]


def test_the_longest_term_counts_and_only_whole_words_do():
    assert terms(explained("gradient masking")) == ["gradient masking"]
    assert terms(explained("ecstatic, statics, non-static, unmasking, Holmes")) == []
    assert terms(explained("L∞ 8/255")) == ["L∞"]


def test_two_spellings_of_one_term_are_explained_once():
    assert terms(explained("a white-box attack is white box")) == ["white-box"]


@given(st.text() | st.sampled_from([*TERMS, "<b>Holm</b>", "& McNemar < 0.05", '"worst case"']))
def test_the_text_stays_and_nothing_in_it_becomes_an_element(text):
    found = explained(text)
    assert plain(found) == text
    assert len(re.findall(r"<(?!dfn tabindex=\"0\" data-meaning=\"|/dfn>)", str(found))) == 0


def test_a_caption_keeps_its_markup():
    found = caption("Run ``snakemake <name>``, *statistically* worse (Holm).")
    assert "<code>snakemake &lt;name&gt;</code>" in found
    assert "<em>statistically</em>" in found
    assert terms(found) == ["Holm"]


@pytest.mark.parametrize("term", TERMS)
def test_an_explanation_is_one_short_sentence(term):
    assert TERMS[term].endswith(".")
    assert len(TERMS[term]) < 160


def test_every_caption_of_the_project_is_understood(root):
    for file in sorted((root / "report").glob("*.rst")):
        if file.name != "workflow.rst":
            text = file.read_text(encoding="utf-8")
            assert "{{" not in text, f"{file.name} needs Snakemake"
            assert not re.search(r"[`*_]{2}|\*\w|`\w", plain(caption(" ".join(text.split())))), file.name
