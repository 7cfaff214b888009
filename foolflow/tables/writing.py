"""Write one table four ways: CSV for programs, Markdown for readers, HTML for the report, JSON for the page."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from foolflow.jobs.files import whole_file, write_text

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
  body {{ font: 14px/1.45 system-ui, sans-serif; margin: 1.5rem; color: #1a1a1a; background: #fff; }}
  p {{ max-width: 75rem; }}
  table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
  th, td {{ padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }}
  td {{ white-space: nowrap; }}
  th {{ vertical-align: bottom; border-bottom: 2px solid #444; }}
  td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) {{ text-align: left; }}
  tbody tr:hover {{ background: #f2f6fa; }}
  .wide {{ overflow-x: auto; }}
</style>
<h2>{title}</h2>
<div class="wide">
{table}
</div>
{words}
</html>
"""


# Stands for an infinite number where a table is sorted: JSON has no infinity, and this sorts last, too.
INFINITE = 1e308
ROUNDING = 1e-9  # of fractions
MINUS = "\u2212"  # the sign, not the hyphen
VERSUS = "vs. published"  # the columns with verdicts begin with it


@dataclass(frozen=True)
class Table:
    """One table.

    data: every number at full precision, for the CSV.  display: the rows for readers, all text.
    notes: sentences that explain the columns and the method.  varies: whether the table differs from run to run, like
    timings.
    findings: sentences that answer the question of the study, computed from the data.
    best: whether the `highest` or the `lowest` value of a column is the best one.  best_within: columns; values are
    compared within rows that agree in them. The display may lack some of both.
    totals: the rows of the display that sum up others, such as a last row `all`. They are neither sorted nor compared.
    images: the adversarial images behind a number, by row of the display and column. Each is a cell, see
    `foolflow.tables.links`.
    """

    title: str
    data: pd.DataFrame
    display: pd.DataFrame
    notes: Sequence[str]
    varies: bool = False
    findings: Sequence[str] = ()
    best: Mapping[str, str] = field(default_factory=dict)
    best_within: Sequence[str] = ()
    totals: Sequence[int] = ()
    images: Mapping[tuple[int, str], Mapping[str, Any]] = field(default_factory=dict)


def write_table(table: Table, csv: Path, markdown: Path, html_page: Path, page: Path) -> None:
    with whole_file(csv) as partial:
        table.data.to_csv(partial, index=False)
    rows = table.display.to_markdown(index=False, disable_numparse=True)
    sentences = [*table.findings, *table.notes]
    write_text(markdown, "\n\n".join([f"# {table.title}", rows, *sentences]) + "\n")
    words = "\n".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    body = table.display.to_html(index=False, border=0)
    write_text(html_page, PAGE.format(title=html.escape(table.title), table=body, words=words))
    write_text(page, json.dumps(for_page(table), ensure_ascii=False, separators=(",", ":")) + "\n")


def for_page(table: Table) -> dict[str, Any]:
    """Return what the page shows of a table, ready for JSON.

    title, findings, notes: text.
    columns: {"name", "numeric"} of each column; numeric: each cell that is not empty begins with a number.
    rows: the text of each cell, by row.
    sort: the number that each cell begins with, by row; INFINITE for ∞; null without a number, and in all of `totals`,
        which therefore stay last.
    totals: the numbers of the rows that sum up others.
    best: [row, column] of the cells to mark.  images: [row, column, cell] of the numbers with images. Columns are
        counted from 0.
    """
    names = [str(name) for name in table.display.columns]
    rows = [[str(text) for text in row] for row in table.display.to_numpy().tolist()]
    numbers = [[leading_number(text) for text in row] for row in rows]
    compared = [row for row in range(len(rows)) if row not in set(table.totals)]
    return {
        "title": table.title,
        "columns": [
            {"name": name, "numeric": _is_numeric([(rows[row][column], numbers[row][column]) for row in compared])}
            for column, name in enumerate(names)
        ],
        "rows": rows,
        "sort": [[_finite(number) if row in compared else None for number in line] for row, line in enumerate(numbers)],
        "totals": list(table.totals),
        "best": [[row, names.index(column)] for row, column in best_cells(table)],
        "images": [[row, names.index(column), dict(cell)] for (row, column), cell in table.images.items()],
        "findings": list(table.findings),
        "notes": list(table.notes),
    }


def _is_numeric(cells: Sequence[tuple[str, float | None]]) -> bool:
    filled = [number for text, number in cells if text]
    return bool(filled) and None not in filled


def _finite(number: float | None) -> float | None:
    return None if number is None else max(-INFINITE, min(INFINITE, number))


_NUMBER = re.compile(
    r"(?:L[012∞] )?"  # the norm of a distance
    rf"(?:[<>≤≥] ?)?(?P<sign>[-+{MINUS}]?)"
    r"(?P<size>∞|\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)(?P<levels>/255)?(?=$|[\s(%])"
)
_CLOCK = re.compile(r"(?P<whole>\d+):(?P<rest>\d\d) (?P<unit>min|h)\b")


def leading_number(text: str) -> float | None:
    """Return the number that the text of a cell begins with, or None.

    `12.3 (10 to 15)`, `∞`, `1,234`, `< 1e-300`, `L2 0.5 (0.4 to 0.6)`, `+1.4 higher`, `8/255`. Durations such as
    `12:05 min` and `3:20 h` are in seconds, like `43 s`.
    """
    clock = _CLOCK.match(text)
    if clock:
        seconds = 60 * int(clock["whole"]) + int(clock["rest"])
        return float(seconds if clock["unit"] == "min" else 60 * seconds)
    found = _NUMBER.match(text)
    if found is None:
        return None
    size = float("inf") if found["size"] == "∞" else float(found["size"].replace(",", ""))
    size /= 255 if found["levels"] else 1
    return -size if found["sign"] in ("-", MINUS) else size


def best_cells(table: Table) -> list[tuple[int, str]]:
    """Return the row of the display and the column of each best value, by row.

    What the cells say is compared, so values that look equal are equally good. Nothing is best if all are equal, or if
    there is nothing to compare with.
    """
    shared = [name for name in table.best_within if name in table.display]
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(table.display[shared].itertuples(index=False, name=None)):
        if row not in set(table.totals):
            groups.setdefault(key, []).append(row)
    found = []
    for column in (name for name in table.best if name in table.display):
        numbers = [leading_number(text) for text in table.display[column]]
        for rows in groups.values():
            known = {row: number for row in rows if (number := numbers[row]) is not None}
            if len(set(known.values())) > 1:
                best = {"highest": max, "lowest": min}[table.best[column]](known.values())
                found += [(row, column) for row, number in known.items() if number == best]
    return sorted(found, key=lambda cell: cell[0])


def without_empty_columns(display: pd.DataFrame) -> pd.DataFrame:
    """Drop the columns that are empty in every row, such as published numbers where none were published."""
    return display.loc[:, (display != "").any()]


def published_note(data: pd.DataFrame, sources: Mapping[str, str]) -> list[str]:
    """Say where the published numbers of a table come from; nothing if it has none.

    data: the columns `published_<source>` or `published_<what>_<source>` have the numbers.
    sources: a description of each source, by name.
    """
    filled = [str(name) for name in data.columns if data[name].notna().any()]
    known = [
        f"'{name}': {text}"
        for name, text in sources.items()
        if any(re.fullmatch(rf"published_((accuracy|success)_)?{name}", one) for one in filled)
    ]
    return [f"Published: {'; '.join(known)}."] if known else []


def percent(fraction: float | None, digits: int = 2) -> str:
    return "" if fraction is None or pd.isna(fraction) else f"{100 * fraction:.{digits}f}"


def percent_interval(low: float, high: float, digits: int = 2) -> str:
    return f"{percent(low, digits)} to {percent(high, digits)}"


def percent_intervals(data: pd.DataFrame) -> list[str]:
    """Format the interval of each row, with the columns `low` and `high`, which are fractions."""
    return [percent_interval(*row) for row in data[["low", "high"]].itertuples(index=False)]


def p_text(p_value: float) -> str:
    """Format a p-value for readers: `0.013`, `2e-31`, or `< 1e-300` near the smallest double."""
    if pd.isna(p_value):
        return ""
    if p_value < 1e-300:
        return "< 1e-300"
    return f"{p_value:.3f}" if p_value >= 0.001 else f"{p_value:.0e}"


def deviation(ours: float | None, low: float, high: float, published: float | None) -> float | None:
    """Return how far our value lies from a published one, or 0 if our 95 % interval contains the published one.

    All are fractions. None if either value is unknown.
    """
    if ours is None or published is None or pd.isna(ours) or pd.isna(published):
        return None
    if low - ROUNDING <= published <= high + ROUNDING:
        return 0.0
    return ours - published


def verdict(ours: float | None, low: float, high: float, published: float | None) -> str:
    """Compare our value with a published one: `agrees`, or for instance `+3.2 higher`, in points.

    agrees: our 95 % interval, from `low` to `high`, contains the published value. All are fractions.
    """
    difference = deviation(ours, low, high, published)
    if difference is None:
        return ""
    if difference == 0:
        return "agrees"
    return f"{signed_points(difference)} {'higher' if difference > 0 else 'lower'}"


def verdict_note(display: pd.DataFrame) -> list[str]:
    """Explain the verdicts of a table; nothing if it has none."""
    if not any(str(name).startswith(VERSUS) for name in display):
        return []
    return [
        f"{VERSUS.capitalize()}: 'agrees' if our 95 % interval contains the published value; otherwise by how many "
        "points ours is higher or lower."
    ]


def points(difference: float) -> str:
    """Format the size of a difference of fractions in percentage points, with as many digits as it takes to see it."""
    size = 100 * abs(difference)
    return next((text for digits in (1, 2, 3) if float(text := f"{size:.{digits}f}")), f"{size:.0e}")


def signed_points(difference: float) -> str:
    return f"{'+' if difference > 0 else MINUS}{points(difference)}"
