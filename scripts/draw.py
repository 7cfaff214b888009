"""Draw the figures of a study.

--spec: a list of {"name", "module", "spec"}, one per figure, in the order of --png and --pdf. The function
`build(spec, artefacts)` of `foolflow.figures.<module>` draws the figure.
"""

import argparse
import importlib

from foolflow.data.artefacts import Artefacts
from foolflow.figures.fonts import notice
from foolflow.figures.style import save_figure
from foolflow.jobs.command_line import add_named_inputs, add_output, job_parser, named_inputs, run_job
from foolflow.jobs.terminal import print_to_terminal


def main(arguments: argparse.Namespace) -> None:
    artefacts = Artefacts(named_inputs(arguments))
    missing: set[str] = set()
    for exhibit, png, pdf in zip(arguments.spec, arguments.png, arguments.pdf, strict=True):
        figure = importlib.import_module(f"foolflow.figures.{exhibit['module']}").build(exhibit["spec"], artefacts)
        missing |= save_figure(figure, png, pdf)
        print(f"{exhibit['name']}: drawn")
    if missing:
        print(f"notice: {notice(missing)}")
        print_to_terminal(f"notice: {notice(missing)}")


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_named_inputs(parser)
    add_output(parser, "--png", nargs="+")
    add_output(parser, "--pdf", nargs="+")
    run_job(main, parser)
