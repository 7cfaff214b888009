"""Export an adversarial set as 8-bit PNG files, one folder per class, as torchvision's ImageFolder expects.

Each file is named after the image's index in the test split.

--spec: {"epsilon"}: which of the attack's epsilons to export, in at least four digits
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from foolflow.data.adversarial import load_set
from foolflow.data.splits import load_split
from foolflow.errors import InvalidInput
from foolflow.jobs.command_line import add_input, add_output, job_parser, run_job
from foolflow.jobs.files import whole_folder


def main(arguments: argparse.Namespace) -> None:
    epsilon = arguments.spec["epsilon"]
    adversarial_set, split = load_set(arguments.adversarial), load_split(arguments.images)
    made = np.array(adversarial_set.tensors["epsilon"])
    nearest = made[np.abs(made - epsilon).argmin()]
    if not np.isclose(nearest, epsilon, rtol=1e-3):
        raise InvalidInput(f"{arguments.adversarial} has no images at epsilon {epsilon}")
    chosen = np.flatnonzero(made == nearest)
    pixels = np.round(adversarial_set.images(chosen) * 255).astype(np.uint8)
    index = adversarial_set.tensors["index"][chosen]
    write_tree(arguments.folder, pixels, index, split.labels[index], split.class_names)
    print(f"{len(pixels):,} images written to {arguments.folder}")


def write_tree(
    folder: Path, images: np.ndarray, indices: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]
) -> None:
    # ImageFolder sorts the classes by name. A leading number keeps them in the order of their labels.
    digits = len(str(len(class_names) - 1))
    classes = [f"{label:0{digits}d}_{name.replace('/', '-')}" for label, name in enumerate(class_names)]
    with whole_folder(folder) as partial:
        for name in classes:
            (partial / name).mkdir()
        for image, index, label in zip(images, indices, labels, strict=True):
            pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
            Image.fromarray(pixels).save(partial / classes[label] / f"{index:05d}.png")


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--images", help="the test split")
    add_input(parser, "--adversarial")
    add_output(parser, "--folder", help="the folder to write, replaced if it exists")
    run_job(main, parser)
