"""Turn an adversarial set into a data set on disk: 8-bit PNG files, one folder per class, as torchvision's ImageFolder
reads them. File names are the images' places in the test split.

--spec: {"epsilon": which of the attack's sets}
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from foolflow.jobs.command_line import add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.errors import InvalidInput
from foolflow.jobs.files import whole_folder
from foolflow.data.reading import read_adversarial


def main(arguments: argparse.Namespace) -> None:
    epsilon = arguments.spec["epsilon"]
    images, records = read_adversarial(arguments.adversarial, arguments.records)
    chosen = np.flatnonzero(np.isclose(records["epsilon"], epsilon))
    if len(chosen) == 0:
        raise InvalidInput(f"{arguments.records} has no epsilon {epsilon}")
    pixels = np.round(images[chosen] * 255).astype(np.uint8)
    names = load_split(arguments.images).class_names
    write_tree(arguments.folder, pixels, records.loc[chosen, ["index", "label"]], names)
    print(f"{len(pixels):,} images in {arguments.folder}")


def write_tree(folder: Path, images: np.ndarray, records: pd.DataFrame, class_names: tuple[str, ...]) -> None:
    # ImageFolder numbers the classes by the order of their names; a number in front keeps the order of the labels.
    digits = len(str(len(class_names) - 1))
    classes = [f"{label:0{digits}d}_{name.replace('/', '-')}" for label, name in enumerate(class_names)]
    with whole_folder(folder) as partial:
        for name in classes:
            (partial / name).mkdir()
        for image, index, label in zip(images, records["index"], records["label"], strict=True):
            pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
            Image.fromarray(pixels).save(partial / classes[label] / f"{index:05d}.png")


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split, for the names of the classes")
    parser.add_argument("--adversarial", type=Path, required=True)
    parser.add_argument("--records", type=Path, required=True)
    add_output(parser, "--folder", help="the folder to write; what is in it is replaced")
    run_job(main, parser)
