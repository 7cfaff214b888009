"""Render the leaderboard as one page: plain tables, and a script that adds sorting, filters and example images."""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from foolflow.pages.examples import Example
from foolflow.tables.leaderboard import CLEAN, WORST, Board, columns_of, neighbour_text, victim_names
from foolflow.tables.over_seeds import MEAN
from foolflow.tables.writing import Table, percent

# model, defense, seed, column
Cell = tuple[str, str, str, str]


@dataclass(frozen=True)
class Section:
    """One board. table: from `tabulate`.  examples: for each cell except those with a mean over seeds."""

    board: Board
    table: Table
    examples: Mapping[Cell, Sequence[Example]]


def render(template: str, sections: Sequence[Section]) -> str:
    """Return the page. template: HTML that contains each of the marks <!--boards--> and <!--examples--> (JSON) once."""
    pictures = _Pictures()
    boards, cells = [], {}
    for number, section in enumerate(sections):
        boards.append(_board(section, f"b{number}"))
        for (model, defense, seed, column), shown in section.examples.items():
            if shown:
                index = columns_of(section.table.data).index(column)
                cells[_cell_name(f"b{number}", model, defense, seed, index)] = [pictures.entry(one) for one in shown]
    # Escape `<`, so that no class name can end the script element.
    data = json.dumps({"cells": cells, "pictures": pictures.list}, sort_keys=True, separators=(",", ":"))
    return template.replace("<!--boards-->", "\n".join(boards)).replace("<!--examples-->", data.replace("<", "\\u003c"))


class _Pictures:
    """The pictures of the page. A picture that several cells show is stored once."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self._places: dict[str, int] = {}

    def entry(self, example: Example) -> dict[str, Any]:
        entry = {
            "image": example.image,
            "label": example.label,
            "clean": self._place(example.clean),
            "before": example.clean_prediction,
        }
        if example.adversarial is None:
            return entry
        attacked = {"made": self._place(example.adversarial), "after": example.prediction, "how": example.how}
        return entry | attacked

    def _place(self, image: np.ndarray) -> int:
        encoded = _png(image)
        if encoded not in self._places:
            self._places[encoded] = len(self.list)
            self.list.append(encoded)
        return self._places[encoded]


def _png(image: np.ndarray) -> str:
    """Encode a uint8 image (C, H, W) with one or three channels as PNG, in base64."""
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _cell_name(board: str, model: str, defense: str, seed: str, column: int) -> str:
    return f"{board}/{model}/{defense}/{seed}/{column}"


def _board(section: Section, key: str) -> str:
    data, board = section.table.data, section.board
    columns, names, several_seeds = columns_of(data), victim_names(data), data["seed"].nunique() > 1
    heads = [
        _head("rank", "number"),
        _head("model", "text"),
        _head("defense", "text"),
        *([_head("seed", "text")] if several_seeds else []),
        *(_head(name, "rate", name) for name in columns),
        _head("vs. next below", "number", kind="words"),
    ]
    rows = [
        _row(key, {cell["against"]: cell for _, cell in table.iterrows()}, columns, names, several_seeds)
        for _, table in data.groupby(["model", "defense", "seed"], sort=False)
    ]
    notes = "\n".join(f"<p>{html.escape(note)}</p>" for note in section.table.notes)
    return f"""<section class="board" data-board="{_text(board.name)}">
<h2>{_text(board.name)} <small>{_text(f"{board.dataset}, {board.threat}, {data['n'].iloc[0]:,} images")}</small></h2>
<div class="wide">
<table>
<thead><tr>{"".join(heads)}</tr></thead>
<tbody>
{chr(10).join(rows)}
</tbody>
</table>
</div>
<details><summary>How these numbers are computed</summary>
{notes}
</details>
</section>"""


def _head(name: str, sorts: str, column: str = "", kind: str = "") -> str:
    """Return a column heading. sorts: whether the column sorts as `rate` (highest first), `number` or `text`."""
    attack = "" if column in ("", CLEAN, WORST) else f' data-attack="{_text(column)}"'
    words = f' class="{kind}"' if kind else ""
    return f'<th scope="col" data-sorts="{sorts}"{words}{attack}>{_text(name)}</th>'


def _row(
    key: str, cells: Mapping[str, pd.Series], columns: Sequence[str], names: Mapping[str, str], several_seeds: bool
) -> str:
    worst = cells[WORST]
    model, defense, seed = worst["model"], worst["defense"], worst["seed"]
    parts = [
        _cell(str(worst["rank"]), sort=worst["rank"]),
        f'<th scope="row">{_text(model)}</th>',
        _cell(_text(defense)),
        *([_cell(_text(seed))] if several_seeds else []),
    ]
    for index, column in enumerate(columns):
        name = _cell_name(key, model, defense, seed, index)
        parts.append(_rate(cells[column], name, column) if column in cells else _cell("", column=column))
    parts.append(_cell(_text(neighbour_text(worst, names)), sort=worst["p_holm"], kind="words"))
    kind = ' class="mean"' if seed == MEAN else ""
    kind += f' data-seed="{_text(seed)}"' if several_seeds else ""
    return f'<tr{kind} data-model="{_text(model)}" data-defense="{_text(defense)}">{"".join(parts)}</tr>'


def _rate(cell: pd.Series, name: str, column: str) -> str:
    if cell["seed"] == MEAN:
        spread, name = f"± {percent(cell['sd'], 1)}", ""
    else:
        spread = f"{percent(cell['low'], 1)}\u2013{percent(cell['high'], 1)}"
    text = f"<b>{percent(cell['accuracy'], 1)}</b> <small>{spread}</small>"
    return _cell(text, sort=cell["accuracy"], column=column, name=name, share=100 * cell["accuracy"])


def _cell(
    text: str, sort: float | None = None, column: str = "", name: str = "", share: float | None = None, kind: str = ""
) -> str:
    """Return a table cell. text: HTML."""
    known = sort is not None and not pd.isna(sort)
    attributes = {
        "class": kind or ("rate" if share is not None else ""),
        "data-sort": f"{sort:.6g}" if known else "",
        "data-attack": "" if column in ("", CLEAN, WORST) else column,
        "data-cell": name,
        "style": "" if share is None else f"--share:{share:.1f}%",
    }
    written = "".join(f' {key}="{_text(value)}"' for key, value in attributes.items() if value)
    return f"<td{written}>{text}</td>"


def _text(value: object) -> str:
    return html.escape(str(value))
