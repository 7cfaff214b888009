"""Draw the same images, clean and at every epsilon of an attack, with what the victim takes them for.

--spec: {"title": ...}
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.errors import InvalidInput
from foolflow.figures.sample_grid import Row, draw
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.data.reading import open_tensors, read_records

COLUMNS = 10
NO_EPSILON = -1.0  # in place of NaN, for an attack that has none


def main(arguments: argparse.Namespace) -> None:
    records = read_records(arguments.records).fillna({"epsilon": NO_EPSILON})
    split = load_split(arguments.images)
    epsilons = sorted(records["epsilon"].unique())
    chosen = choose(records[records["epsilon"] == epsilons[0]])
    if not chosen:
        raise InvalidInput(f"{arguments.records}: the victim gets no image right, so there is none to show")
    clean = records[records["epsilon"] == epsilons[0]].set_index("index").loc[chosen]
    names = np.asarray(split.class_names)
    rows = [Row("clean", split.images[chosen], list(names[clean["clean_prediction"]]))]
    with open_tensors(arguments.adversarial) as file:
        images = file.get_slice("images")
        for epsilon in epsilons:
            one = records[records["epsilon"] == epsilon].reset_index(names="row").set_index("index").loc[chosen]
            pixels = np.stack([images[row : row + 1][0] for row in one["row"]])
            label = "attacked" if epsilon == NO_EPSILON else f"ε = {epsilon:.3g}"
            rows.append(Row(label, pixels, list(names[one["prediction"]])))
    save_figure(draw(arguments.spec["title"], list(names[clean["label"]]), rows), arguments)


def choose(records: pd.DataFrame) -> list[int]:
    """The first correctly classified image of each class, COLUMNS of them."""
    right = records[records["clean_prediction"] == records["label"]]
    return right.drop_duplicates("label").sort_values("label")["index"].head(COLUMNS).tolist()


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split")
    parser.add_argument("--adversarial", type=Path, required=True)
    parser.add_argument("--records", type=Path, required=True)
    add_figure_options(parser)
    run_job(main, parser)
