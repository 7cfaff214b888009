"""Write one table three ways: CSV for programs, Markdown for readers, HTML for the report."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
{notes}
</html>
"""


@dataclass(frozen=True)
class Table:
    """One table.

    data: every number at full precision, for the CSV.  display: the rows for readers, all text.
    notes: sentences below the table.  varies: whether the table differs from run to run, like timings.
    """

    title: str
    data: pd.DataFrame
    display: pd.DataFrame
    notes: Sequence[str]
    varies: bool = False


def write_table(table: Table, csv: Path, markdown: Path, html_page: Path) -> None:
    with whole_file(csv) as partial:
        table.data.to_csv(partial, index=False)
    rows = table.display.to_markdown(index=False, disable_numparse=True)
    write_text(markdown, "\n\n".join([f"# {table.title}", rows, *table.notes]) + "\n")
    notes = "\n".join(f"<p>{html.escape(note)}</p>" for note in table.notes)
    body = table.display.to_html(index=False, border=0)
    write_text(html_page, PAGE.format(title=html.escape(table.title), table=body, notes=notes))


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


def p_text(p_value: float) -> str:
    """Format a p-value for readers: `0.013`, `2e-31`, or `< 1e-300` near the smallest double."""
    if pd.isna(p_value):
        return ""
    if p_value < 1e-300:
        return "< 1e-300"
    return f"{p_value:.3f}" if p_value >= 0.001 else f"{p_value:.0e}"
