"""Names as figures show them. Any text can name a class; models, defenses and attacks have short ASCII names."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

from foolflow.figures.fonts import ZERO_WIDTH

LONGEST = 16  # columns of text: a Chinese, Japanese or Korean character takes two
COLUMNS_PER_INCH = 15.5  # of a class name in a title
BLANK = "(blank)"
# Isolate a right-to-left name, so that what surrounds it keeps its order: `true → predicted` must not be reversed.
ISOLATE, END_ISOLATE = "\u2068", "\u2069"
RIGHT_TO_LEFT = {"R", "AL"}


def class_name(name: str, longest: int = LONGEST) -> str:
    """Return the name of a class as one short line.

    Line breaks and tabs become spaces, and other control characters U+FFFD. Invisible characters are dropped, among
    them those that reverse the text around them. The name is shortened to `longest` columns; a name without visible
    characters becomes `(blank)`.
    """
    shown = "".join(map(_visible, unicodedata.normalize("NFC", name)))
    shown = shorten(" ".join(shown.split()), longest) or BLANK
    if any(unicodedata.bidirectional(character) in RIGHT_TO_LEFT for character in shown):
        return f"{ISOLATE}{shown}{END_ISOLATE}"
    return shown


def limited(shown: int, there: int, things: str) -> str:
    """Say that a figure shows a part: ` (20 of 1,000 classes)`; nothing if it shows all."""
    return f" ({shown:,} of {there:,} {things})" if shown < there else ""


def confidence(share: float) -> str:
    """Format a softmax probability in percent. One below 1 is never rounded up to 100 %."""
    return f"{min(100 * share, 99.9):.1f} %" if share < 1 else "100 %"


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category in ("Cc", "Cs"):  # control characters; bytes of a file name that are not UTF-8
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category == "Cf" and character not in ZERO_WIDTH else character


def shorten(text: str, longest: int) -> str:
    """Replace the middle of a long text by `…`. Names often differ at their ends: `class_0001`, `class_0002`."""
    if columns(text) <= longest:
        return text
    kept_at_end = (longest - 1) // 3
    start, end = _first_columns(text, longest - 1 - kept_at_end), _first_columns(text[::-1], kept_at_end)[::-1]
    while end and unicodedata.combining(end[0]):  # an accent without its letter
        end = end[1:]
    return f"{start}…{end}"


def shorten_all(texts: Sequence[str], longest: int) -> list[str]:
    """Shorten the names of a list. Different names that would look alike get their place in the list: `#1`, `#2`."""
    short = {text: shorten(text, longest) for text in texts}
    alike = Counter(short.values())
    return [
        f"{shorten(text, longest - 5)} #{place}" if alike[short[text]] > 1 else short[text]
        for place, text in enumerate(texts, 1)
    ]


def columns(text: str) -> int:
    """Return the width of a text in columns."""
    return sum(map(_columns_of, text))


def _first_columns(text: str, longest: int) -> str:
    taken = 0
    for place, character in enumerate(text):
        taken += _columns_of(character)
        if taken > longest:
            return text[:place]
    return text


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
