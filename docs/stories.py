"""Write the pages of docs/results/ from their stories: docs/stories/<study>.md.jinja, Jinja templates.

A story may state a number or a comparison only through an expression, which reads the published tables when the page is
written. With other tables a page says something else, or it is not written because a claim is wrong:

    {{ row("stadv_success", dataset="mnist", model="A").success | percent }} % of the images are fooled.
    {{ claim(a.success > b.success) }}A is easier to fool than B.

`unsupported` finds the sentences that do neither. A sentence about somebody else's numbers, or one that is true
whatever the tables say, gives its source in a comment: {# source: R3, section 4 #} or {# by definition #}. Whether a
claim says what its sentence says, and whether a source is right, remains for a reader to judge.
"""

import math
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import yaml

from foolflow.workflow.config.numbers import with_numbers

ROOT = Path(__file__).resolve().parents[1]
STORIES = ROOT / "docs/stories"
PUBLISHED = ROOT / "docs/results"

# What looks like a number and is a name: of a project, data set, norm, epsilon, filter, interval or paper.
NAMES = re.compile(
    r"\bR[1-4]\b|\bCIFAR-10\b|\bL[12]\b|\b95 % (?=(?:confidence )?intervals?)|\b[1248]/255\b|\b(?:1|4|5|8) bits?\b"
    r"|\b[23] x [23]\b|\bet al\. (?:19|20)\d\d\b|\barXiv \d{4}\.\d{5}\b|\bResNet-18\b|\bSHA-256\b"
)
NUMBER = re.compile(
    r"\d|\b(?:half|halves|halved|thirds?|quarters?|fifths?|tenths?|tenfold|twice|doubles?d?|trebled?|dozens?|hundreds?|"
    r"one in|nine out of|of ten|zero|majority|(?<!first )times)\b",
    re.IGNORECASE,
)
COMPARISON = re.compile(
    r"\b(?:more|most|less|least|fewer|fewest|better|best|worse|worst|higher|highest|lower|lowest|longer|longest|shorter|"
    r"shortest|larger|largest|bigger|biggest|smaller|smallest|greater|greatest|faster|fastest|quicker|slower|slowest|"
    r"stronger|strongest|weaker|weakest|closer|closest|easier|harder|superior|inferior|than|exceeds?|outperforms?|"
    r"surpass(?:es)?|beats?|leads?|ahead|differs?|identical|equally|significantly|rises?|falls?|improves?|"
    r"(?:every|all|no|none of(?: the)?)(?: \w+)? (?:image|network|attack|defense|victim)s?)\b",
    re.IGNORECASE,
)
SUPPORT = re.compile(r"\{\{[^}]*\bclaim\(|\{#s#\}")
SOURCE = re.compile(r"\{# (?:source: [^#]+|by definition) #\}")
SENTENCES = re.compile(
    r"(?<=[.!?])(?<!al\.)[*)]*\s+(?=[A-Za-z0-9`*(\[{\"'])|(?<=[;:])[*)]*\s+(?=[A-Z*(\[{\"'])"  # where one ends
)
ELSEWHERE = re.compile(r"\{%[+-]?\s*(?:include|import|from|extends|raw)\b")  # text that no check would see


class Unsupported(Exception):
    """The tables do not say what a story claims."""


def page(study: str, published: Path = PUBLISHED) -> str:
    """Return docs/results/<study>/README.md.

    Raises Unsupported for a claim that the tables do not bear out, a sentence without support, an empty cell, and a
    table that contradicts itself.
    """
    story = (STORIES / f"{study}.md.jinja").read_text(encoding="utf-8")
    if found := unsupported(story):
        raise Unsupported(f"{study}: neither a claim nor a source: {found[0]}")
    for file in sorted((published / study).glob("*.csv")):
        _check_rates(file)

    def table(name: str) -> pd.DataFrame:
        file = published / (f"{name}.csv" if "/" in name else f"{study}/{name}.csv")
        return pd.read_csv(file, keep_default_na=False, na_values=[""])

    def rows(name: str, **where: Any) -> list[dict[str, Any]]:
        data = table(name)
        for column, value in where.items():
            data = data[data[column].isin(value if isinstance(value, list) else [value])]
        if data.empty:
            raise Unsupported(f"{study}: {name} has no rows for {where}")
        return data.to_dict("records")

    def row(name: str, **where: Any) -> dict[str, Any]:
        found = rows(name, **where)
        if len(found) != 1:
            raise Unsupported(f"{study}: {name} has {len(found)} rows for {where}")
        return found[0]

    def claim(condition: Any, *others: Any) -> str:
        for number, one in enumerate((condition, *others), start=1):
            if not isinstance(one, bool | np.bool_):
                raise Unsupported(f"{study}: claim {number} of a sentence is {one!r}, neither true nor false")
            if not one:
                raise Unsupported(f"{study}: claim {number} of a sentence does not hold")
        return ""

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(STORIES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "fixed": fixed, "count": count, "known": known}
    environment.tests["known"] = known
    environment.globals |= {"row": row, "rows": rows, "claim": claim, "reference": reference, "config": config()}
    environment.globals |= {
        "abs": abs,
        "min": min,
        "max": max,
        "sum": sum,
        "len": len,
        "round": round,
        "sorted": sorted,
    }
    return reflow(environment.get_template(f"{study}.md.jinja").render())


def reflow(text: str) -> str:
    """Wrap the paragraphs and list items, whose lines are as long as their numbers, at 120 characters."""
    blocks = re.split(r"(\n\s*\n|\n(?=- ))", text.strip("\n"))
    return "".join(block if index % 2 else _wrapped(block) for index, block in enumerate(blocks)) + "\n"


def _wrapped(block: str) -> str:
    if block.startswith(("|", "#", "```", "![", "    ")):
        return block
    hanging = "  " if block.startswith("- ") else ""
    return textwrap.fill(
        " ".join(block.split()), 120, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )


def _check_rates(file: Path) -> None:
    """Raise Unsupported if the rate of a table lies outside its interval, or is not the quotient of its counts."""
    data = pd.read_csv(file)
    for rate in [name for name in ("success", "test", "accuracy") if name in data][:1]:
        if {rate, "low", "high"} <= set(data):
            rows = data.dropna(subset=[rate, "low", "high"])
            if not rows[rate].between(rows["low"] - 1e-9, rows["high"] + 1e-9).all():
                raise Unsupported(f"{file.name}: {rate} outside its interval")
        if {rate, "count", "n"} <= set(data):
            rows = data.dropna(subset=[rate, "count"])
            if not np.allclose(rows[rate], rows["count"] / rows["n"]):
                raise Unsupported(f"{file.name}: {rate} is not count / n")


def percent(fraction: float, digits: int = 1) -> str:
    """0.9904 as 99.0, without the sign."""
    return fixed(100 * fraction, digits)


def fixed(number: float, digits: int = 2) -> str:
    if not math.isfinite(number):
        raise Unsupported(f"an empty cell, or no number: {number}")
    return f"{number:.{digits}f}"


def count(number: float) -> str:
    """1120.0 as 1,120."""
    if number != int(number):
        raise Unsupported(f"{number} is no count")
    return f"{int(number):,}"


def known(number: float | None) -> bool:
    """Whether a cell of a table is filled."""
    return number is not None and not pd.isna(number)


def reference(name: str) -> Any:
    """What was published: reference/<name>.yaml."""
    return yaml.safe_load((ROOT / f"reference/{name}.yaml").read_text(encoding="utf-8"))


def config() -> Any:
    """The shipped config, whose settings a story may quote."""
    return with_numbers(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


def unsupported(story: str) -> list[str]:
    """Return the sentences of a story that state a number or a comparison without an expression or a source."""
    found = [f"text that is not checked: {tag}" for tag in ELSEWHERE.findall(story)]
    for sentence in _sentences(story):
        plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", sentence, flags=re.DOTALL)
        plain = re.sub(r"`[\w\s./:<>{}*=+,\"-]+`|\]\([^)]*\)|<!--.*?-->", "", plain)
        plain = NAMES.sub("", plain)
        if (NUMBER.search(plain) or COMPARISON.search(plain)) and not SUPPORT.search(sentence):
            found.append(" ".join(sentence.split()))
    return found


def _sentences(story: str) -> Iterator[str]:
    story = re.sub(r"^```.*?^```", "", SOURCE.sub("{#s#}", story), flags=re.DOTALL | re.MULTILINE)
    story = re.sub(r"\{% (?:set|for|if|elif)[^%]*%\}|\{% (?:else|endfor|endif) \+?%\}", "", story)
    lines = story.split("\n")
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not line.startswith("| ---"):
            cells = line.split("|")[1:]
            yield "|".join(cells if below.startswith("| ---") else cells[1:])  # a row's first cell names it
    prose = "\n".join("" if line.startswith("|") else line for line in lines)
    for block in re.split(r"\n\s*\n|\n(?=- )", prose):
        yield from SENTENCES.split(block)
