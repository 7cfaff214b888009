"""Draw one image, its perturbation and the adversarial image side by side.

--spec: {"image": its place in the test split, "title": ...}
"""

import argparse
from pathlib import Path

import numpy as np

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.errors import InvalidInput
from foolflow.figures.perturbation import Shown, draw
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.data.reading import open_tensors, read_records


def main(arguments: argparse.Namespace) -> None:
    image = arguments.spec["image"]
    records = read_records(arguments.records)
    rows = np.flatnonzero(records["index"] == image)
    if len(rows) == 0:
        known = f"{len(records):,} images, {records['index'].min()} to {records['index'].max()}"
        raise InvalidInput(f"image {image} of the test split is not among those that were attacked ({known})")
    record, split = records.iloc[rows[0]], load_split(arguments.images)
    with open_tensors(arguments.adversarial) as file:
        pixels = file.get_slice("images")[rows[0] : rows[0] + 1][0]
    names = split.class_names
    clean = split.images[image].astype(np.float32) / 255
    original = Shown(clean, names[record["clean_prediction"]], record["clean_confidence"])
    adversarial = Shown(pixels, names[record["prediction"]], record["confidence"])
    save_figure(draw(arguments.spec["title"], names[record["label"]], original, adversarial), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split")
    parser.add_argument("--adversarial", type=Path, required=True)
    parser.add_argument("--records", type=Path, required=True)
    add_figure_options(parser)
    run_job(main, parser)
