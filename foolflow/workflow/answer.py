"""What `foolflow evaluate` prints: the plan before a run, and the answer after it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from foolflow.attacks.planning import FEWEST
from foolflow.jobs.progress import duration

OVER = f"no attack gets fewer than {FEWEST} images, so this takes longer"
STARTING = "with the time to start the jobs, this takes longer"


def answer(results: Path) -> str:
    """Return the table of the study `robustness` and what belongs to it, from the results folder."""
    lines = (results / "tables/robustness.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    notes = [line for line in lines if line and not line.startswith(("|", "#"))]
    title = next(line for line in lines if line.startswith("# ")).removeprefix("# ")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    header, body = cells[0], cells[2:]
    words = {"model", "defense", "attack", "note"}
    align = ["left" if name in words else "right" for name in header]
    table = tabulate(body, header, tablefmt="simple", disable_numparse=True, colalign=align)
    return "\n".join(
        [
            "",
            title,
            "",
            table,
            "",
            *notes,
            "",
            f"Numbers: {results / 'tables/robustness.csv'}",
            f"The page with the images: {results / 'index.html'}",
        ]
    )


def planned(plans: Sequence[dict[str, Any]], dry_run: str) -> str:
    """Return a table of the planned attacks, with the number of jobs. dry_run: the output of Snakemake's dry run."""
    found = re.search(r"^total\s+(\d+)\s*$", dry_run, re.MULTILINE)
    rows = [
        [plan["victim"], one["attack"], f"{one['images']:,} of {one['available']:,}", duration(one["seconds"])]
        for plan in plans
        for one in plan["attacks"]
    ]
    seconds = sum(one["seconds"] for plan in plans for one in plan["attacks"])
    memory = max((plan["memory_mb"] for plan in plans), default=0)
    table = tabulate(rows, ["victim", "attack", "images", "time"], colalign=["left", "left", "right", "right"])
    jobs = int(found[1]) if found else 0
    lines = ["", table, "", f"{jobs} jobs are left to run. Nothing has been attacked yet."]
    lines.append(
        f"The attacks take about {duration(seconds)} on one core. A job takes about {memory:,.0f} MB of memory."
    )
    for plan in plans:
        taken = sum(one["seconds"] for one in plan["attacks"])
        if plan["budget"] is not None and taken > 1.1 * plan["budget"]:
            fewest = any(one["images"] <= FEWEST for one in plan["attacks"])
            lines.append(
                f"{plan['victim']}: {OVER if fewest else STARTING} than the budget of {duration(plan['budget'])}."
            )
    return "\n".join(lines)
