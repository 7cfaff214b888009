"""Write the page: the answer, a section for each study, the explorer, and where the numbers come from.

--spec: sections, boards and cells, as `foolflow.studies.contents` describes them; seeds; megabytes, the size of the
page
"""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import foolflow
from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import Cell
from foolflow.data.reading import read_json
from foolflow.jobs.command_line import add_named_inputs, add_output, job_parser, named_inputs, run_job
from foolflow.jobs.files import write_text
from foolflow.pages.answer import board
from foolflow.pages.gallery import Gallery, gallery
from foolflow.pages.page import render
from foolflow.pages.pictures import pictures
from foolflow.pages.source import source
from foolflow.pages.tables import table

FIGURES = 0.55  # of the page, at most
MARGIN = 0.98  # of what is left for the explorer; the images of the answer take the rest


def main(arguments: argparse.Namespace) -> list[Path]:
    files, spec = named_inputs(arguments), arguments.spec
    artefacts = Artefacts(files)
    limit = int(spec["megabytes"] * 1_000_000)
    drawn = pictures(files.get("figures", []), int(FIGURES * limit))
    figures = dict(zip(_names(spec, "figures"), drawn, strict=True))
    tables = dict(zip(_names(spec, "tables"), map(read_json, files.get("table_pages", [])), strict=True))
    cells = [cell for cell in spec["cells"] if cell["attack"] in artefacts.attacks(cell)]

    def command(cell: Cell) -> str:
        return arguments.command.replace("{}", shlex.quote(f"{arguments.results}/{_set(cell)}"), 1)

    def page(shown: Gallery) -> str:
        boards = [board(one, artefacts, lambda cell, row: shown.place(cell, row) is not None) for one in spec["boards"]]
        return render(
            [one for one in boards if one.standings],
            [_section(one, tables, figures) for one in spec["sections"]],
            table(read_json(files["times"][0]), "times", ""),
            source(read_json(files["manifest"][0]), spec["seeds"]),
            shown,
            report=arguments.report or None,
            version=foolflow.__version__,
        )

    empty = gallery(cells, artefacts, limit=0, command=command)
    without_images = len(page(empty).encode()) - empty.size
    shown = gallery(cells, artefacts, limit=int(MARGIN * (limit - without_images)), command=command)
    html = page(shown)
    write_text(arguments.page, html)
    print(f"{len(html.encode()) / 1e6:.1f} MB, with {shown.count:,} test images for each adversarial set")
    return [arguments.page]  # it contains times


def _names(spec: Mapping[str, Any], kind: str) -> list[str]:
    """Return the names of all tables or figures, in the order of the inputs."""
    return [one["name"] for section in spec["sections"] for one in section[kind]]


def _section(study: Mapping[str, Any], tables: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Add the contents of the tables and figures to a section. Figures with the same caption form a group."""
    drawn = [
        {"title": one["title"], "caption": one["caption"], "path": one["name"], "picture": figures[one["name"]]}
        | {"name": one["name"].replace("/", "_")}
        for one in study["figures"]
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in drawn:
        groups.setdefault(one["caption"], []).append(one)
    return dict(study) | {
        "tables": [table(tables[one["name"]], one["name"], one["caption"]) for one in study["tables"]],
        "figures": [{"caption": caption, "figures": group} for caption, group in groups.items()],
    }


def _set(cell: Cell) -> str:
    return "attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors".format(**cell)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_named_inputs(parser)
    add_output(parser, "--page")
    parser.add_argument("--results", required=True, help="the results folder, as the command names it")
    parser.add_argument(
        "--command", required=True, help="the command that makes a file again, with {} in the place of the file"
    )
    parser.add_argument("--report", default="", help="the path of Snakemake's report, relative to the page")
    run_job(main, parser)
