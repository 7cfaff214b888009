"""Check the data sets of a config, and that those of models to train have train images."""

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from foolflow.data.arrays import array_names, pairs_of
from foolflow.data.layout import parts_of
from foolflow.data.sources import source_files, splits_of
from foolflow.errors import InvalidInput
from foolflow.models.kinds import is_supplied
from foolflow.studies.cells import attacked
from foolflow.workflow.config.names import Config, missing_file

USER_KEYS = ("path", "channels", "size", "resize", "crop")  # for the sources folder and npz alone


def dataset_problems(key: str, dataset: Config, *, needed: bool) -> Iterator[str]:
    """Yield the problems of a data set. needed: whether a study uses it; its files are checked only then."""
    source = dataset["source"]
    if source not in ("folder", "npz"):
        for name in USER_KEYS:
            if name in dataset:
                yield f"{key}.{name}: only for the sources folder and npz, not for {source}"
    if source != "folder" and "test" in dataset and "val" not in dataset:
        yield f"{key}.val: missing; `test` images are set aside from a data set to train on, which needs `val`, too"
    if not needed or "path" not in dataset:
        return
    if not Path(dataset["path"]).exists():
        yield missing_file(f"{key}.path", dataset["path"])
        return
    try:
        if source == "folder":
            parts_of(dataset)
        else:
            pairs_of(dataset, array_names(Path(dataset["path"])))
    except InvalidInput as error:
        yield f"{key}.{error}"
    else:
        yield from braces(f"{key}.path", source_files(dataset))


def braces(key: str, files: Iterable[str]) -> Iterator[str]:
    """Yield one line for the first file that cannot be an input, because Snakemake reads braces as wildcards."""
    for file in files:
        if "{" in file or "}" in file:
            yield f"{key}: {file} contains a brace, which Snakemake reads as a wildcard; rename it"
            return


def training_problems(config: Config) -> Iterator[str]:
    """Yield one line for each data set without train and val images that a study needs.

    config: without other problems.
    """
    for name, dataset in config["datasets"].items():
        if splits_of(dataset) == ("test",) and (need := next(_needs(config, name), None)):
            yield f"datasets.{name}.val: missing; {need}, so set the number of images to set aside"


def _needs(config: Config, dataset: str) -> Iterator[str]:
    """Yield what the studies do with the train and val images of a data set."""
    for study in config["studies"]:
        module = importlib.import_module(f"foolflow.studies.{study}")
        for cell in module.cells(config):
            for model in (cell["model"], attacked(cell)["model"]):
                if cell["dataset"] == dataset and not is_supplied(config["models"][model]):
                    yield f"{study} trains {model} on this data set"
        if study == "detection" and any(cell["dataset"] == dataset for cell in module.cells(config)):
            yield f"{study} sets the threshold of its detectors on val images"
