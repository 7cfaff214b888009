"""Make the tables of a study.

--spec: a list of {"name", "module", "spec"}, one per table, in the order of --csv, --markdown, --html and --page. The
function `build(spec, artefacts)` of `foolflow.tables.<module>` makes the table.
"""

import argparse
import importlib
from dataclasses import replace
from pathlib import Path

from foolflow.data.artefacts import Artefacts
from foolflow.jobs.command_line import add_named_inputs, add_output, job_parser, named_inputs, run_job
from foolflow.tables.wording import random_note
from foolflow.tables.writing import write_table


def main(arguments: argparse.Namespace) -> list[Path]:
    artefacts = Artefacts(named_inputs(arguments))
    varying: list[Path] = []
    paths = zip(arguments.csv, arguments.markdown, arguments.html, arguments.page, strict=True)
    for exhibit, files in zip(arguments.spec, paths, strict=True):
        table = importlib.import_module(f"foolflow.tables.{exhibit['module']}").build(exhibit["spec"], artefacts)
        table = replace(table, notes=[*table.notes, *random_note(artefacts.random_victims())])
        write_table(table, *files)
        varying += files if table.varies else ()
        print(f"{exhibit['name']}: {len(table.display)} rows")
    return varying


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_named_inputs(parser)
    add_output(parser, "--csv", nargs="+")
    add_output(parser, "--markdown", nargs="+")
    add_output(parser, "--html", nargs="+")
    add_output(parser, "--page", nargs="+")
    run_job(main, parser)
