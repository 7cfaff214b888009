"""Split a data set into train, val and test, and write each as a safetensors file.

A data set that is only for evaluation has just a test split.

--spec: {"name", "dataset"}: the name of the data set and its config entry
"""

import argparse
import importlib
from pathlib import Path

from foolflow.compute.seeds import derived_seed
from foolflow.data.divide import divide
from foolflow.data.layout import image_files
from foolflow.data.sources import READERS
from foolflow.data.splits import save_splits
from foolflow.errors import InvalidInput
from foolflow.jobs.command_line import add_input, add_output, job_parser, run_job
from foolflow.jobs.terminal import print_to_terminal


class Files(argparse.Action):
    """Takes files, and folders in place of the images in them, which may not fit on a command line."""

    def __call__(self, parser, namespace, values, option_string=None):
        found = [[value] if not value.is_dir() else map(Path, image_files(str(value))) for value in values]
        setattr(namespace, self.dest, [file for files in found for file in files])


def main(arguments: argparse.Namespace) -> None:
    name, dataset = arguments.spec["name"], arguments.spec["dataset"]
    reader = importlib.import_module(f"foolflow.data.readers.{READERS[dataset['source']]}")
    splits = divide(reader.read(dataset, arguments.raw), dataset, derived_seed("data", name))
    wanted = {path.stem: path for path in arguments.splits}
    if splits.keys() != wanted.keys():
        raise InvalidInput(f"datasets.{name}: has {', '.join(splits)}, not {', '.join(wanted)}; run snakemake again")
    save_splits({wanted[part]: split for part, split in splits.items()})
    for part, split in splits.items():
        print(f"{part}: {len(split):,} images of shape {split.images.shape[1:]}, {len(split.class_names)} classes")
    for notice in dict.fromkeys(notice for split in splits.values() for notice in split.notices):
        print(f"notice: {notice}")
        print_to_terminal(f"notice: {notice}")


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--raw", type=Path, required=True, help="the folder with the downloaded files")
    add_input(parser, "--files", nargs="*", action=Files, default=[], required=False, help="the source of the images")
    add_output(parser, "--splits", nargs="+", help="train, val and test.safetensors, or test.safetensors alone")
    run_job(main, parser)
