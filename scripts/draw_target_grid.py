"""Draw one image of each class, attacked towards each other class.

--spec: {"title": ...}
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.errors import InvalidInput
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.figures.target_grid import draw
from foolflow.data.reading import read_adversarial


def main(arguments: argparse.Namespace) -> None:
    images, records = read_adversarial(arguments.adversarial, arguments.records)
    split = load_split(arguments.images)
    right = records[records["clean_prediction"] == records["label"]]
    if right.empty:
        raise InvalidInput(f"{arguments.records}: the victim gets no image right, so there is none to show")
    shown = right.drop_duplicates("label").set_index("label")["index"]  # the first right one of each class
    clean = {label: split.images[index] for label, index in shown.items()}
    chosen = right[right["index"].isin(shown)]
    attacked = {(row.label, row.target): (images[row.Index], row.success) for row in chosen.itertuples()}
    save_figure(draw(arguments.spec["title"], split.class_names, clean, attacked), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split")
    parser.add_argument("--adversarial", type=Path, required=True)
    parser.add_argument("--records", type=Path, required=True, help="of an attack with `targets: all`")
    add_figure_options(parser)
    run_job(main, parser)
