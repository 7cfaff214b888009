"""Render the page: results/index.html."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from foolflow.pages.answer import Board, Example, Standing, verdict
from foolflow.pages.gallery import Gallery, image_query, query
from foolflow.pages.source import Source
from foolflow.pages.words import caption, explained, glossary

SOME, MANY = 5, 12  # victims of a board that are shown at once, on a phone and on a wide screen; the others unfold
FEW = 6  # figures of one kind that are shown at once; the others fold away


def render(
    boards: Sequence[Board],
    studies: Sequence[Mapping[str, Any]],
    times: Mapping[str, Any],
    source: Source,
    gallery: Gallery,
    *,
    report: str | None,
    version: str,
) -> str:
    """Return the page as HTML.

    studies: as `foolflow.studies.contents.contents` describes them, with the contents of their tables and figures.
    times: the table of times.  report: the path of Snakemake's report, relative to the page, if there is one.
    """
    verdicts = [verdict(board) for board in boards]
    environment = Environment(
        loader=PackageLoader("foolflow.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"caption": caption, "explained": explained, "json": as_script}
    return environment.get_template("page.html").render(
        title=f"{verdicts[0]} Foolflow" if verdicts else "Foolflow",
        verdicts=verdicts or ["No attack that counts was judged, so there is no answer."],
        alone=[len(board.standings) for board in boards] == [1],
        warnings=_warnings(boards),
        boards=[_board(board) for board in boards],
        examples=[entry for board in boards for entry in _examples(board, gallery)],
        studies=studies,
        times=times,
        source=source,
        gallery=gallery,
        report=report,
        version=version,
        few=FEW,
        some=SOME,
        many=MANY,
        terms=glossary(),
    )


def _warnings(boards: Sequence[Board]) -> list[str]:
    """Return the warnings, each after the victims that it concerns if there are several."""
    named: dict[str, list[str]] = {}
    standings = [one for board in boards for one in board.standings]
    for one in standings:
        for warning in one.warnings:
            named.setdefault(warning, []).append(one.name)
    if len(standings) == 1:
        return [f"{text[:1].upper()}{text[1:]}." for text in named]
    return [f"{', '.join(dict.fromkeys(names))}: {text}." for text, names in named.items()]


def _board(board: Board) -> dict[str, Any]:
    standings = [vars(one) | {"key": _key(board, one), "href": query(one.images)} for one in board.standings]
    return vars(board) | {"standings": standings}


def _key(board: Board, one: Standing) -> str:
    return "/".join([board.title, *map(str, one.cell.values())])


def _examples(board: Board, gallery: Gallery) -> list[dict[str, Any]]:
    """Describe the eight images of each victim for the script of the page."""
    return [
        {"key": _key(board, one), "name": one.name, "images": [_example(example, gallery) for example in one.examples]}
        for one in board.standings
    ]


def _example(example: Example, gallery: Gallery) -> dict[str, Any]:
    place = gallery.place(example.cell, example.row)
    if place is None:
        raise ValueError(f"the gallery does not hold row {example.row} of {example.cell}")
    shown = {key: value for key, value in vars(example).items() if key not in ("cell", "row", "linf")}
    # The largest change becomes a quarter of the whole range, so that small ones are seen and large ones fit.
    magnify = max(1, round(0.25 / example.linf)) if example.linf else 1
    href = image_query(example.cell, example.row)
    return shown | {"judgement": place[0], "row": place[1], "magnify": magnify, "href": href}


def as_script(value: Any) -> Markup:
    """Return JSON for a script element. `<` is escaped, so that no name can end the element."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))  # escaped above
