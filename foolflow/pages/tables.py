"""Tables on the page, from the JSON that `foolflow.tables.writing.write_table` writes for it."""

import re
from collections.abc import Mapping
from typing import Any

from foolflow.pages.gallery import query

LONG = 24  # characters; a longer text may take several lines


def table(data: Mapping[str, Any], file: str, caption: str) -> dict[str, Any]:
    """Describe a table for the template.

    data: see `foolflow.tables.writing.for_page`.  file: the path of its CSV below tables/, without the suffix.
    """
    best = {(row, column) for row, column in data["best"]}
    links = {(row, column): query(cell) for row, column, cell in data["images"]}
    columns = data["columns"]
    rows = [
        [
            {
                **_parts(text),
                # One stop of the tab key for all numbers of a row that lead to the same images.
                "repeats": any(links.get((row, before)) == links.get((row, column)) for before in range(column)),
                "sort": data["sort"][row][column],
                "tag": "th" if column == 0 and not columns[0]["numeric"] else "td",
                "best": (row, column) in best,
                "href": links.get((row, column)) if text else None,
                "classes": " ".join(
                    name
                    for name, holds in (
                        ("num", columns[column]["numeric"]),
                        ("long", len(text) > LONG),
                        ("best", (row, column) in best),
                    )
                    if holds
                ),
            }
            for column, text in enumerate(cells)
        ]
        for row, cells in enumerate(data["rows"])
    ]
    return {"caption": caption, "file": file, "rows": rows} | {
        key: data[key] for key in ("title", "columns", "totals", "findings", "notes")
    }


def _parts(text: str) -> dict[str, str]:
    """Split a value from what follows it in parentheses, such as its interval, so that a narrow cell has two lines."""
    found = re.fullmatch(r"(\S+(?: %)?) (\(.+\))", text)
    return {"text": found[1], "aside": found[2]} if found else {"text": text, "aside": ""}
