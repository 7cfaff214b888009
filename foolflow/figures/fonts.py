"""Fonts for the characters that the font of all figures lacks.

Matplotlib takes each character from the first font of a list that has it, and orders right-to-left text and joins
Arabic letters itself (since 3.11). It does not choose the fonts, and its own list of fonts goes out of date when one
is installed. So the fonts of the system are searched here, but only when a figure needs one.
"""

import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry
from matplotlib.ft2font import FaceFlags, FT2Font
from matplotlib.text import Text

BASE = "DejaVu Sans"  # bundled with Matplotlib
ZERO_WIDTH = "\u200c\u200d"  # keep letters apart, or join them; no font needs a glyph for them
STAND_INS = ("Last Resort", "Adobe Blank")  # fonts that have a box, or nothing, for every character
NORMAL_WEIGHT = 400
CJK = ("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC", "KANGXI")
EXAMPLES = 5  # scripts of which a notice shows a character


def set_fonts(figure: Figure) -> set[str]:
    """Add fonts to all texts of a figure if the base font lacks some of their characters.

    Returns the characters that no installed font has.
    """
    texts = figure.findobj(Text)
    needed = lacking("".join(text.get_text() for text in texts))
    if not needed:
        return set()
    families, missing = fallbacks(frozenset(needed), _installed())
    for text in texts:
        text.set_fontfamily([BASE, *families])
    return missing


def lacking(text: str) -> set[str]:
    """Return the visible characters of a text that the base font lacks."""
    # Not ASCII: most texts are done here, without opening the font.
    characters = {one for one in set(text) if not one.isascii() and unicodedata.category(one) not in ("Cf", "Zs")}
    return characters - _covered(_base(), characters) if characters else set()


def fallbacks(needed: frozenset[str], fonts: Iterable[FontEntry]) -> tuple[list[str], set[str]]:
    """Choose as few fonts as possible that have the needed characters.

    Returns their names for Matplotlib, and the characters that none has. The choice depends on the installed fonts
    alone: the font with most of the characters comes first; among equals, the plainest, then the first path.
    """
    able = [(entry, found) for entry in fonts if (found := _covered(entry, needed))]
    region = _region(needed)
    names, missing = [], set(needed)
    while missing and able:
        entry, found = max(able, key=lambda one: (len(one[1] & missing), _plainness(one[0], region)))
        if not found & missing:
            break
        names.append(_register(entry))
        missing -= found
    return names, missing


def notice(missing: set[str]) -> str:
    """Say in one line which characters no font has, and which packages of Debian and Ubuntu have one."""
    by_script: dict[str, str] = {}
    for character in sorted(missing, key=lambda one: (unicodedata.category(one).startswith("M"), one)):  # marks last
        by_script.setdefault(_script(character), character)
    shown = [
        f"{character} ({script if script == 'CJK' else script.title()})" for script, character in by_script.items()
    ][:EXAMPLES]
    packages = " and ".join(sorted({_package(character) for character in missing}))
    return (
        f"no installed font has {len(missing)} characters of the figures, such as {', '.join(shown)}; install one that "
        f"has them (on Debian and Ubuntu: {packages}), delete the figures, and run again; until then they show boxes"
    )


def _package(character: str) -> str:
    if _script(character) in CJK:
        return "fonts-noto-cjk"
    return "fonts-symbola" if unicodedata.category(character).startswith("S") else "fonts-noto-core"


def _script(character: str) -> str:
    return unicodedata.name(character, "unnamed").split()[0].split("-")[0]


@cache
def _base() -> FontEntry:
    return next(entry for entry in font_manager.fontManager.ttflist if entry.name == BASE and _is_plain(entry))


@cache
def _installed() -> tuple[FontEntry, ...]:
    """Return the fonts that Matplotlib bundles and those of the system, also those installed a moment ago."""
    bundled = [entry.fname for entry in font_manager.fontManager.ttflist]
    paths = sorted({*bundled, *font_manager.findSystemFonts()})
    return tuple(entry for path in paths for entry in _faces(path))


def _faces(path: str) -> Iterator[FontEntry]:
    """Yield the faces of a font file that can be drawn at any size. Bitmaps, such as colour emoji, cannot."""
    try:
        faces = [FT2Font(path)]
        faces += [FT2Font(path, face_index=index) for index in range(1, faces[0].num_faces)]
        entries = [font_manager.ttfFontProperty(face) for face in faces if FaceFlags.SCALABLE in face.face_flags]
    except (OSError, RuntimeError, ValueError, KeyError):  # a broken or unsupported file is no reason to draw nothing
        return
    yield from (entry for entry in entries if not entry.name.startswith(STAND_INS))


def _covered(entry: FontEntry, characters: Iterable[str]) -> set[str]:
    """Return those of the characters that a font has."""
    font = FT2Font(entry.fname, face_index=entry.index)
    return {character for character in characters if font.get_char_index(ord(character))}


def _is_plain(entry: FontEntry) -> bool:
    return (entry.style, entry.variant, str(entry.weight)) == ("normal", "normal", str(NORMAL_WEIGHT))


def _plainness(entry: FontEntry, region: str) -> tuple[bool, ...]:
    """Order fonts with the same characters: upright and of normal weight first, then sans serif, then the region."""
    return (
        _is_plain(entry),
        entry.stretch == "normal",
        "Mono" not in entry.name,
        "Sans" in entry.name or "Serif" not in entry.name,
        entry.name.endswith(f" {region}"),
    )


def _region(needed: Iterable[str]) -> str:
    """Return whose forms of the shared Chinese characters fit, as fonts for several languages name them."""
    scripts = {_script(character) for character in needed}
    return "JP" if scripts & {"HIRAGANA", "KATAKANA"} else "KR" if "HANGUL" in scripts else "SC"


def _register(entry: FontEntry) -> str:
    """Make a font known to Matplotlib by a name that no other font has, and return the name."""
    name = f"{entry.fname}:{entry.index}"
    if all(known.name != name for known in font_manager.fontManager.ttflist):
        font_manager.fontManager.ttflist.append(dataclasses.replace(entry, name=name))
    return name
