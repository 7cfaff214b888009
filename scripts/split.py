"""Split a data set into train, val and test, and write each as a safetensors file.

--spec: {"name", "dataset"}: the name of the data set and its config entry
"""

import argparse
import importlib
from pathlib import Path

from foolflow.compute.seeds import derived_seed
from foolflow.data.divide import divide
from foolflow.data.sources import READERS, image_files
from foolflow.data.splits import save_split
from foolflow.jobs.command_line import add_input, add_output, job_parser, run_job


class Files(argparse.Action):
    """Takes files, and folders in place of the images in them, which may not fit on a command line."""

    def __call__(self, parser, namespace, values, option_string=None):
        found = [[value] if not value.is_dir() else map(Path, image_files(str(value))) for value in values]
        setattr(namespace, self.dest, [file for files in found for file in files])


def main(arguments: argparse.Namespace) -> None:
    name, dataset = arguments.spec["name"], arguments.spec["dataset"]
    reader = importlib.import_module(f"foolflow.data.readers.{READERS[dataset['source']]}")
    train, test = reader.read(dataset, arguments.raw)
    paths = {"train": arguments.train, "val": arguments.val, "test": arguments.test}
    for part, split in divide(train, test, dataset, derived_seed("data", name)).items():
        save_split(paths[part], split)
        print(f"{part}: {len(split):,} images of shape {split.images.shape[1:]}, {len(split.class_names)} classes")


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--raw", type=Path, required=True, help="the folder with the downloaded files")
    add_input(parser, "--files", nargs="*", action=Files, default=[], required=False, help="the source of the images")
    for part in ("train", "val", "test"):
        add_output(parser, f"--{part}")
    run_job(main, parser)
