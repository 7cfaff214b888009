import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foolflow.figures.text import BLANK, END_ISOLATE, ISOLATE, class_name, columns, limited, shorten, shorten_all

CASES = {
    "ordinary": ("cat", "cat"),
    "marks of a formula": ("a$b$_{c}^\\%", "a$b$_{c}^\\%"),
    "HTML": ("<b>&amp;</b>", "<b>&amp;</b>"),
    "Chinese": ("猫", "猫"),
    "an accent apart from its letter": ("e\u0301", "é"),
    "line breaks and tabs": ("\ta\r\nb\u2028c ", "a b c"),
    "control characters": ("a\x00\x1b[31mb", "a\ufffd\ufffd[31mb"),
    "a byte that is not UTF-8": ("caf\udce9", "caf\ufffd"),
    "reversed by an invisible character": ("ab\u202ecd\u2066e\u200f", "abcde"),
    "joined by an invisible character": ("क्\u200dष", "क्\u200dष"),
    "Hebrew": ("חתול", f"{ISOLATE}חתול{END_ISOLATE}"),
    "Arabic and more": ("قطة 2", f"{ISOLATE}قطة 2{END_ISOLATE}"),
    "empty": ("", BLANK),
    "only spaces": (" \u3000\n", BLANK),
    "only invisible": ("\u200b\ufeff", BLANK),
    "16 columns": ("x" * 16, "x" * 16),
    "17 columns": ("abcdefghijklmnopq", "abcdefghij…mnopq"),
    "16 columns of Chinese": ("猫" * 8, "猫" * 8),
    "18 columns of Chinese": ("猫" * 9, "猫" * 5 + "…" + "猫" * 2),
    "300 characters": ("class_" + "0" * 290 + "1234", "class_0000…01234"),
}


@pytest.mark.parametrize(("name", "shown"), CASES.values(), ids=CASES)
def test_a_name_is_one_short_line(name, shown):
    assert class_name(name) == shown


@given(st.text(max_size=60), st.integers(7, 40))
def test_any_name_is_printed_within_its_columns(name, longest):
    shown = class_name(name, longest)
    bare = shown.removeprefix(ISOLATE).removesuffix(END_ISOLATE)
    assert bare.strip() == bare != ""
    assert columns(bare) <= max(longest, len(BLANK))
    assert not {unicodedata.category(character) for character in bare} & {"Cc", "Cs", "Zl", "Zp"}
    assert class_name(bare, longest) == shown  # shown twice, it stays the same


def test_names_that_differ_at_their_ends_stay_different():
    names = [f"n0123456789_category_{number:04}" for number in range(1000)]
    assert len({class_name(name) for name in names}) == 1000
    assert shorten("abc", 3) == "abc"
    assert shorten_all(["a" * 20, "b", "a" * 10 + "-" + "a" * 9], 12) == ["aaaa…aa #1", "b", "aaaa…aa #3"]
    assert shorten_all(["a" * 20, "a" * 20], 12) == ["aaaaaaaa…aaa"] * 2
    assert columns("猫a\u0301") == 3


def test_a_part_is_named_and_all_are_not():
    assert limited(10, 1000, "classes") == " (10 of 1,000 classes)"
    assert limited(10, 10, "classes") == ""
