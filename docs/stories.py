"""Write the pages of docs/results/ from their stories: docs/stories/<study>.md.jinja, Jinja templates.

A story may state a number or a comparison only through an expression, which reads the published tables when the page is
written. A page therefore cannot say what its tables do not, and it is not written while a claim is wrong:

    {{ row("stadv_success", dataset="mnist", model="A").success | percent }} % of the images are fooled.
    {{ claim(a.success > b.success) }}A is easier to fool than B.

`unsupported` finds the sentences that do neither. A sentence about somebody else's numbers, or one that is true
whatever the tables say, gives its source in a comment: {# source: R3, section 4 #} or {# by definition #}.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
STORIES = ROOT / "docs/stories"
PUBLISHED = ROOT / "docs/results"

# What looks like a number and is a name: of a project, data set, norm, epsilon, interval or file format.
NAMES = re.compile(
    r"\bR[1-4]\b|\bCIFAR-10\b|\bL[12]\b|\b95 % (?=interval)|\b[\d.]+/255\b|\b\d+ bits?\b|\b\d+ x \d+\b"
    r"|\b(?:19|20)\d\d\b|\barXiv [\d.]+|\bResNet-\d+\b|\bSHA-?256\b"
)
NUMBER = re.compile(
    r"\d|\b(?:half|halves|thirds?|quarters?|fifths?|tenths?|twice|double|one in|nine out of|(?<!first )times)\b",
    re.IGNORECASE,
)
COMPARISON = re.compile(
    r"\b(?:more|most|less|least|fewer|fewest|better|best|worse|worst|higher|highest|lower|lowest|longer|longest|shorter|"
    r"shortest|larger|largest|smaller|smallest|greater|faster|fastest|slower|slowest|stronger|strongest|weaker|weakest|"
    r"than|exceeds?|outperforms?|beats?|differs?|(?:every|all|no) (?:image|network|attack|defense|victim)s?)\b",
    re.IGNORECASE,
)
SUPPORT = re.compile(r"\{\{[^}]*claim\(|\{#s#\}")
SOURCE = re.compile(r"\{# (?:source: [^#]+|by definition) #\}")


class Unsupported(Exception):
    """The tables do not say what a story claims."""


def page(study: str, published: Path = PUBLISHED) -> str:
    """Return docs/results/<study>/README.md. Raises Unsupported for a claim that the tables do not bear out."""

    def table(name: str) -> pd.DataFrame:
        file = published / (f"{name}.csv" if "/" in name else f"{study}/{name}.csv")
        return pd.read_csv(file, keep_default_na=False, na_values=[""])

    def rows(name: str, **where: Any) -> list[dict[str, Any]]:
        data = table(name)
        for column, value in where.items():
            data = data[data[column].isin(value if isinstance(value, list) else [value])]
        return data.to_dict("records")

    def row(name: str, **where: Any) -> dict[str, Any]:
        found = rows(name, **where)
        if len(found) != 1:
            raise Unsupported(f"{study}: {name} has {len(found)} rows for {where}")
        return found[0]

    def claim(condition: Any, *others: Any) -> str:
        for number, one in enumerate((condition, *others), start=1):
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


def percent(fraction: float, digits: int = 1) -> str:
    """0.9904 as 99.0, without the sign."""
    return f"{100 * fraction:.{digits}f}"


def fixed(number: float, digits: int = 2) -> str:
    return f"{number:.{digits}f}"


def count(number: float) -> str:
    """1120.0 as 1,120."""
    return f"{int(number):,}"


def known(number: float | None) -> bool:
    """Whether a cell of a table is filled."""
    return number is not None and not pd.isna(number)


def reference(name: str) -> Any:
    """What was published: reference/<name>.yaml."""
    return yaml.safe_load((ROOT / f"reference/{name}.yaml").read_text(encoding="utf-8"))


def config() -> Any:
    """The shipped config, whose settings a story may quote."""
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def unsupported(story: str) -> list[str]:
    """Return the sentences of a story that state a number or a comparison without an expression or a source."""
    found = []
    for sentence in _sentences(story):
        plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", sentence, flags=re.DOTALL)
        plain = re.sub(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->", "", plain)
        plain = NAMES.sub("", plain)
        if (NUMBER.search(plain) or COMPARISON.search(plain)) and not SUPPORT.search(sentence):
            found.append(" ".join(sentence.split()))
    return found


def _sentences(story: str) -> Iterator[str]:
    story = re.sub(r"^```.*?^```", "", SOURCE.sub("{#s#}", story), flags=re.DOTALL | re.MULTILINE)
    story = re.sub(r"\{% (?:set|for|if|elif)[^%]*%\}|\{% (?:else|endfor|endif) \+?%\}", "", story)
    lines = story.split("\n")
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not below.startswith(
            "| ---"
        ):  # a row of a table: its first cell names it
            yield "|".join(cell for cell in line.split("|")[2:] if not line.startswith("| ---"))
    prose = "\n".join("" if line.startswith(("|", "#")) else line for line in lines)
    for block in re.split(r"\n\s*\n|\n(?=- )", prose):
        yield from re.split(r"(?<=[.;:!?])[*)]*\s+(?=[A-Z*(\[{\"'])", block)
