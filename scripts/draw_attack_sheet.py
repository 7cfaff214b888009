"""Draw the first attacked images of a targeted attack, each titled `true → predicted (target)`.

--spec: {"title": ...}
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.figures.attack_sheet import draw
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.data.reading import read_adversarial

COUNT = 40


def main(arguments: argparse.Namespace) -> None:
    images, records = read_adversarial(arguments.adversarial, arguments.records)
    names = load_split(arguments.images).class_names
    shown = records[records["clean_prediction"] == records["label"]].head(COUNT)
    titles = [f"{names[row.label]} → {names[row.prediction]} ({names[row.target]})" for row in shown.itertuples()]
    save_figure(draw(arguments.spec["title"], images[shown.index], titles, list(shown["success"])), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split, for the names of the classes")
    parser.add_argument("--adversarial", type=Path, required=True)
    parser.add_argument("--records", type=Path, required=True)
    add_figure_options(parser)
    run_job(main, parser)
