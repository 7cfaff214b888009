"""Measure a victim's accuracy on a folder of images, as torchvision's ImageFolder loads it.

--spec: {"model", "defense"}: the config entries that the victim was built from; {"epsilon"}: copied to the result
"""

import argparse

from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import pil_to_tensor

from foolflow.attacks.judging import classify
from foolflow.compute.device import compute_on
from foolflow.compute.prediction import to_float
from foolflow.compute.randomness import TRIED, draws_of
from foolflow.data.splits import load_split
from foolflow.jobs.command_line import add_compute_options, add_input, add_output, add_victim, job_parser, run_job
from foolflow.jobs.files import write_json
from foolflow.jobs.progress import log_throughput
from foolflow.models.victims import victim_of


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    spec = arguments.spec
    split = load_split(arguments.images)  # for the shape of the images and the names of the classes
    victim = victim_of(
        split, model=spec["model"], defense=spec["defense"], weights=arguments.weights[0], device=device
    ).victim
    draws = draws_of(victim, to_float(split.images[:TRIED], device))
    folder = ImageFolder(str(arguments.folder), transform=pil_to_tensor, loader=_open_as_is, allow_empty=True)
    correct = total = 0
    with log_throughput(len(folder)):
        for images, labels in DataLoader(folder, batch_size=500):
            correct += int((classify(victim, images, device, draws=draws).classes == labels).sum())
            total += len(labels)
    write_json(arguments.result, {"epsilon": spec["epsilon"], "n": total, "correct": correct})


def _open_as_is(path: str) -> Image.Image:
    """Open an image with its own channels. The default loader of torchvision converts every image to RGB."""
    with Image.open(path, formats=("PNG",)) as image:
        image.load()
    return image


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--folder")
    add_input(parser, "--images", help="the test split that the images were made from")
    add_victim(parser)
    add_output(parser, "--result")
    add_compute_options(parser)
    run_job(main, parser)
